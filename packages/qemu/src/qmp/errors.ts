import { ConnectionError, ProtocolError } from "@pileus/core";
import { printable } from "@pileus/core/driver";

/**
 * QEMU refused or failed a command. `errorClass` is the only part of its answer that is meant for programs (qmp-spec,
 * 2.4.2).
 */
export class QmpCommandError extends ProtocolError {
  readonly command: string;
  readonly errorClass: string;
  /** QEMU's own words, for a person: printable, and 1 KiB at most. */
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
 * The monitor took the connection and said nothing: it serves one client at a time, so another one has it, unless its
 * QEMU hangs. A second monitor of the same machine may be free.
 */
export class QmpBusyError extends ConnectionError {
  /** Milliseconds that the greeting was waited for. */
  readonly waited: number;
  constructor(peer: string, waited: number, options?: ErrorOptions) {
    super(peer, `no greeting within ${waited} ms: another client holds this monitor, or its QEMU hangs`, options);
    this.waited = waited;
  }
}
