import { printable } from "../../text/printable.ts";
import { InstanceError } from "./instance-error.ts";

/** A peer, or a file that we keep, said something that its protocol does not allow. */
export class ProtocolError extends InstanceError {
  readonly code = "ERR_PROTOCOL";
  /** The beginning of what the peer sent: at most 1 KiB, printable. */
  readonly received: string;
  constructor(message: string, received: string, options?: ErrorOptions) {
    super(message, options);
    this.received = printable(received, 1024);
  }
}

/** The connection to a peer broke, could not be made, or was let go because the host was disposed. */
export class ConnectionError extends InstanceError {
  readonly code = "ERR_CONNECTION";
  readonly peer: string;
  constructor(peer: string, why: string, options?: ErrorOptions) {
    super(`connection to ${peer}: ${why}`, options);
    this.peer = peer;
  }
}

/** The agent in a guest refused a call or failed in it. */
export class AgentError extends InstanceError {
  readonly code = "ERR_AGENT";
  /** The guest's own word for it, such as an errno name. */
  readonly reason: string;
  constructor(message: string, reason: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
