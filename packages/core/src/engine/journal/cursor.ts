/** A place in the journal: after the byte `offset - 1` of the file `segment`. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
}

/** The cursor of that place, as callers hold it. */
export function renderCursor({ segment, offset }: Place): string {
  return `${segment}.${offset}`;
}

/** The place that a cursor names, which `WatchOptionsSchema` has accepted. */
export function parseCursor(cursor: string): Place {
  const [segment = "", offset = ""] = cursor.split(".");
  return { segment: Number(segment), offset: Number(offset) };
}
