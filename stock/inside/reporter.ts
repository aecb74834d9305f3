/** A reporter of `node:test`: one line of JSON for each test that has ended, after a mark that no output has. */
export const MARK = "\u001e";

interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly nesting?: number;
    readonly message?: string;
    readonly skip?: string | boolean;
    readonly details?: { readonly duration_ms: number; readonly type?: string; readonly error?: Error };
  };
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  /** The names of the suites that are under way. */
  const path: string[] = [];
  for await (const { type, data } of events) {
    if (!["test:start", "test:pass", "test:fail"].includes(type)) continue;
    const { name = "", nesting = 0, skip, details } = data;
    path.splice(nesting, path.length, name);
    if (type === "test:start") continue;
    // A suite fails with its tests, which have their own lines, or by itself.
    const own = failureOf(details?.error);
    if (details?.type === "suite" && own === undefined) continue;
    const more = { ...(skip ? { skipped: String(skip) } : {}), ...(own === undefined ? {} : { error: own }) };
    yield `${MARK}${JSON.stringify({ check: path.join(": "), ok: type === "test:pass", ms: details?.duration_ms, ...more })}\n`;
  }
}

function failureOf(error: (Error & { readonly failureType?: string }) | undefined): string | undefined {
  if (error === undefined || error.failureType === "subtestsFailed") return undefined;
  const cause = error.cause;
  if (!(cause instanceof Error)) return String(cause ?? error.message);
  const { stderr } = cause as { readonly stderr?: unknown };
  return [cause.stack ?? cause.message, ...reasons(cause.cause), ...(stderr ? [`stderr: ${stderr}`] : [])].join("\n");
}

function reasons(cause: unknown): string[] {
  return cause instanceof Error ? [`because: ${cause.message}`, ...reasons(cause.cause)] : [];
}
