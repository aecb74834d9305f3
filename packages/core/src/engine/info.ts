import type { InstanceInfo } from "../contract/instance.ts";
import { parseExposedPorts } from "../model/exposed-ports.ts";
import type { InstanceRecord } from "./record.ts";
import type { Run } from "./run.ts";

/** What a record, and the run if this process holds it, tell of an instance. */
export function instanceInfo(record: InstanceRecord, run: Run | undefined): InstanceInfo {
  const { config, uuid, kind, state, createdAt, expiresAt, startedAt, exit, error } = record;
  const pid = run?.id === record.run ? run?.running.pid : undefined;
  return {
    name: config.name,
    uuid,
    driver: config.driver,
    kind,
    state,
    // A copy: what the caller does to it must not reach the record.
    config: structuredClone(config),
    image: record.image.fingerprint,
    exposedPorts: parseExposedPorts(record.image.process?.exposedPorts ?? []),
    createdAt,
    ephemeral: record.owner !== undefined,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(pid === undefined ? {} : { pid }),
    ...(exit === undefined ? {} : { exit }),
    ...(error === undefined ? {} : { error }),
  };
}
