import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { Deadline } from "@pileus/core";

/** How long redis may take from the start of its process until it listens, in milliseconds. */
const DEADLINE = 10_000;

/**
 * Asks redis for a PONG, from the host, over the bridge (RESP inline command). A server refuses connections until it
 * listens, and nothing announces that moment, so a refused connection is tried again until the deadline.
 */
export async function ping(address: string, signal: AbortSignal): Promise<string> {
  using deadline = new Deadline({ action: `first answer of redis at ${address}`, timeout: DEADLINE, signal });
  for (;;) {
    try {
      return await pingOnce(address, deadline.signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ECONNREFUSED") throw error;
      await setTimeout(20, undefined, { signal: deadline.signal });
    }
  }
}

async function pingOnce(address: string, signal: AbortSignal): Promise<string> {
  const socket = connect(6379, address);
  try {
    await once(socket, "connect", { signal });
    socket.write("PING\r\n");
    const [answer] = (await once(socket, "data", { signal })) as [Buffer];
    assert.equal(answer.toString(), "+PONG\r\n");
    return `PONG from ${address}`;
  } finally {
    socket.destroy();
  }
}
