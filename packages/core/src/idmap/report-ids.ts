import type { HostReport } from "../contract/report.ts";
import { IdRanges } from "./id-ranges.ts";

/**
 * For `Driver.probe()` of a driver with `Backend.idmap()`: where the ids of instances come from and how many ranges
 * are free, or why a create would fail. Needs root. Changes nothing.
 */
export function reportIds(): Omit<HostReport, "usable"> {
  return new IdRanges().report();
}
