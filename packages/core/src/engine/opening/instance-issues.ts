import type { Engine } from "../instance/engine.ts";
import { allRecords } from "../record/all-records.ts";
import type { RecoveryIssue } from "./recover.ts";

/** The instances that have no ids of their own although their driver asks for some, for `doctor()`. */
export async function instancesWithoutIds({ layout, records, drivers }: Engine): Promise<readonly RecoveryIssue[]> {
  const reason = "an earlier release created it with ids of the host that others may have: create it anew";
  return (await allRecords(layout, records))
    .filter(({ idmap, config }) => {
      const request = idmap === undefined ? drivers.get(config.driver)?.backend.idmap?.(config) : undefined;
      return request !== undefined && request.use !== "process";
    })
    .map(({ config }) => ({ instance: config.name, reason }));
}

/** The instances of which this process cannot tell the state, for `doctor()`. */
export function unreachableInstances({ instances }: Engine): readonly RecoveryIssue[] {
  return [...instances].flatMap(([instance, { record }]) =>
    record.unreachable === undefined ? [] : [{ instance, reason: record.unreachable }],
  );
}
