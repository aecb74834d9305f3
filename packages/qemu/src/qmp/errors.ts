import { ConnectionError, ProtocolError } from "@pileus/core";

/** QEMU refused or failed a command. `errorClass` is the only part of its answer that is meant for programs (qmp-spec, 2.4.2). */
export class QmpCommandError extends ProtocolError {
  readonly command: string;
  readonly errorClass: string;
  /** QEMU's own words, for a person. */
  readonly description: string;
  constructor(
    facts: { readonly command: string; readonly errorClass: string; readonly description: string },
    options?: ErrorOptions,
  ) {
    super(
      `QMP command ${facts.command} failed: ${facts.description} (${facts.errorClass})`,
      JSON.stringify({ class: facts.errorClass, desc: facts.description }),
      options,
    );
    this.command = facts.command;
    this.errorClass = facts.errorClass;
    this.description = facts.description;
  }
}

/**
 * The monitor took the connection and said nothing: it serves one client at a time, so another one has it. A second
 * monitor of the same machine may be free.
 */
export class QmpBusyError extends ConnectionError {
  /** Milliseconds that the greeting was waited for. */
  readonly waited: number;
  constructor(peer: string, waited: number, options?: ErrorOptions) {
    super(peer, `no greeting within ${waited} ms: another client holds this monitor`, options);
    this.waited = waited;
  }
}
