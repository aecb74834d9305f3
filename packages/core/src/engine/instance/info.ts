import type { InstanceInfo } from "../../contract/instance.ts";
import type { InstanceConfig } from "../../model/config.ts";
import { parseExposedPorts } from "../../terms/exposed-ports.ts";
import type { Idmap } from "../../terms/idmap.ts";
import type { InstanceRecord } from "../record/record.ts";
import type { Run } from "../run/run.ts";

/**
 * The public information from a record, and from the run if this process is attached to it. `applied`: what it runs with,
 * if that is another configuration.
 */
export function instanceInfo(
  record: InstanceRecord,
  run: Run | undefined,
  applied: InstanceConfig | undefined = undefined,
): InstanceInfo {
  const { config, uuid, idmap, kind, state, createdAt, expiresAt, startedAt, exit, error } = record;
  const pid = run?.id === record.run ? run?.running.pid : undefined;
  return {
    name: config.name,
    uuid,
    driver: config.driver,
    kind,
    state,
    // A copy: a change by the caller must not reach the record.
    config: structuredClone(config),
    ...(applied === undefined ? {} : { applied }),
    image: record.image.fingerprint,
    exposedPorts: parseExposedPorts(record.image.process?.exposedPorts ?? []),
    ...(idmap === undefined || kind === "virtual-machine" ? {} : { idmap: publicMap(idmap) }),
    createdAt,
    ephemeral: record.owner !== undefined,
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(pid === undefined ? {} : { pid }),
    ...(exit === undefined ? {} : { exit }),
    ...(error === undefined ? {} : { error }),
  };
}

/** Without what a later release has added. */
function publicMap({ base, count, extra }: Idmap): Idmap {
  const lines = extra?.map(({ inside, outside, count: length, of }) => ({ inside, outside, count: length, of }));
  return { base, count, ...(lines === undefined ? {} : { extra: lines }) };
}
