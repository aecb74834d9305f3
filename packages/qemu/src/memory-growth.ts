import { type Abortable, ConfigError, ConnectionError, TimeoutError } from "@pileus/core";
import { withDeadline } from "@pileus/core/driver";
import { GROWTH_ID, GROWTH_PATH } from "./argv/memory.ts";
import type { QmpClient } from "./qmp/index.ts";
import { MEMORY_BLOCK, type Room } from "./room.ts";

/** How long a guest may take, in milliseconds. One that still boots has to load its driver first. */
const TIMEOUT = 45_000;

const REQUESTED = { path: GROWTH_PATH, property: "requested-size" } as const;

type MemoryRoom = NonNullable<Room["memory"]>;

/** What a guest that shall have `size` bytes has beside what it was started with: whole blocks, rounded up. */
export function growthTo(size: number, { base }: MemoryRoom): number {
  return Math.ceil((size - base) / MEMORY_BLOCK) * MEMORY_BLOCK;
}

/**
 * Has the guest take memory, or give it back, until it has `size` bytes. All or nothing: the guest is asked for what it had
 * before if it does not obey.
 *
 * @throws {ConfigError} when it does not obey in time.
 */
export async function resizeMemory(
  qmp: QmpClient,
  room: MemoryRoom,
  size: number,
  { signal, timeout = TIMEOUT }: Abortable & { readonly timeout?: number },
): Promise<void> {
  const wanted = growthTo(size, room);
  const before = await requestedMemory(qmp, { signal });
  try {
    const action = `waiting for the guest to have ${size} bytes of memory`;
    await withDeadline({ action, timeout, signal }, (limited) => request(qmp, wanted, limited));
  } catch (error) {
    await qmp.execute("qom-set", { ...REQUESTED, value: before }).catch(() => undefined);
    if (!(error instanceof TimeoutError)) throw error;
    const message =
      wanted > before
        ? `the guest has not taken it within ${timeout / 1000} s: its kernel needs virtio_mem. Stop the instance, and it has it from its next start on`
        : "the guest uses more than that, and cannot give it back: end what uses it, or ask for more";
    const issue = { path: ["limits", "memory"], message };
    throw new ConfigError("change of the configuration", [issue], { cause: error });
  }
}

/** How much the guest shall have beside what it was started with, in bytes. */
export async function requestedMemory(qmp: QmpClient, options: Abortable): Promise<number> {
  return Number(await qmp.execute("qom-get", REQUESTED, options));
}

async function request(qmp: QmpClient, wanted: number, signal: AbortSignal): Promise<void> {
  // From before the request on, so that no change is missed.
  const events = qmp.events.watch({ signal });
  await qmp.execute("qom-set", { ...REQUESTED, value: wanted }, { signal });
  const current = { path: GROWTH_PATH, property: "size" } as const;
  if (Number(await qmp.execute("qom-get", current, { signal })) === wanted) return;
  for await (const event of events) {
    if (event.name !== "MEMORY_DEVICE_SIZE_CHANGE" || event.data.id !== GROWTH_ID) continue;
    if (event.data.size === wanted) return;
  }
  throw new ConnectionError(qmp.peer, "the machine ended, or its monitor closed, before the guest had obeyed");
}
