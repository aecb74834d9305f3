import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { PortClaims } from "../src/port-claims.ts";

async function withPath(use: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-claim-"));
  try {
    await use(join(folder, "one.lock"));
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

it("takes a port that the machine has, although it refuses one before that", () =>
  withPath(async (path) => {
    const claims = new PortClaims(path, { all: 4, first: 1, plug: async (number) => number !== 1 });
    const held = [await claims.take({}), await claims.take({}), await claims.take({})];
    expect(held.map(({ number }) => number)).toEqual([0, 2, 3]);
    for (const port of held) await port.release();
  }));

it("asks a monitor that does not answer once, and takes a port that it knows the machine to have", () =>
  withPath(async (path) => {
    const plug = vi.fn(async (_: number) => true);
    const claims = new PortClaims(path, { all: 5, first: 1, plug });
    const first = await claims.take({});
    const other = await new PortClaims(path, { all: 2 }).take({});
    const third = await claims.take({});
    expect([first, other, third].map(({ number }) => number)).toEqual([0, 1, 2]);
    await Promise.all([other.release(), third.release()]);
    plug.mockReset().mockRejectedValue(new Error("no answer"));
    const again = await claims.tryTake();
    expect(again?.number).toBe(2);
    expect(await claims.tryTake()).toBeUndefined();
    expect(plug.mock.calls).toEqual([[1], [1]]);
    await Promise.all([first.release(), again?.release()]);
  }));
