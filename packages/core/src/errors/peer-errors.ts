import { printable } from "../text/printable.ts";
import { InstanceError } from "./instance-error.ts";

/** A peer broke its protocol, or a file that Pileus keeps is malformed. */
export class ProtocolError extends InstanceError {
  readonly code = "ERR_PROTOCOL";
  /** The beginning of what was received: at most 1 KiB, printable. */
  readonly received: string;
  constructor(message: string, received: string, options?: ErrorOptions) {
    super(message, options);
    this.received = printable(received, 1024);
  }
}

/** The connection to a peer broke, could not be made, or was closed because the host was disposed. */
export class ConnectionError extends InstanceError {
  readonly code = "ERR_CONNECTION";
  readonly peer: string;
  constructor(peer: string, why: string, options?: ErrorOptions) {
    super(`connection to ${peer}: ${why}`, options);
    this.peer = peer;
  }
}

/** The agent in a guest refused a call, or the call failed there. */
export class AgentError extends InstanceError {
  readonly code = "ERR_AGENT";
  /** The cause as the guest names it, such as an errno name. */
  readonly reason: string;
  constructor(message: string, reason: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
