import { ConnectionError, ProtocolError } from "@pileus/core";
import { printable } from "@pileus/core/driver";

/**
 * QEMU refused a command, or the command failed. `errorClass` is the only part of its answer that is meant for programs
 * (qmp-spec, 2.4.2).
 */
export class QmpCommandError extends ProtocolError {
  readonly command: string;
  readonly errorClass: string;
  /** QEMU's message for people: printable, at most 1 KiB. */
  readonly description: string;
  constructor(
    facts: { readonly command: string; readonly errorClass: string; readonly description: string },
    options?: ErrorOptions,
  ) {
    const [description, errorClass] = [printable(facts.description, 1024), printable(facts.errorClass, 64)];
    const received = JSON.stringify({ class: errorClass, desc: description });
    super(`QMP command ${facts.command} failed: ${description} (${errorClass})`, received, options);
    this.command = facts.command;
    this.errorClass = errorClass;
    this.description = description;
  }
}

/**
 * The monitor accepted the connection and sent no greeting. A monitor serves one client at a time, so another client
 * holds it, or its QEMU hangs. A second monitor of the same machine may be free.
 */
export class QmpBusyError extends ConnectionError {
  /** How long the client waited for the greeting, in milliseconds. */
  readonly waited: number;
  constructor(peer: string, waited: number, options?: ErrorOptions) {
    super(peer, `no greeting within ${waited} ms: another client holds this monitor, or its QEMU hangs`, options);
    this.waited = waited;
  }
}
