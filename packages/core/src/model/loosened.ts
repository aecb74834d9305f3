import { z } from "zod";

/** The parts of a schema's definition that hold other schemas. */
interface Definition {
  readonly type: string;
  readonly shape: Readonly<Record<string, z.ZodType>>;
  readonly innerType: z.ZodType;
  readonly element: z.ZodType;
  readonly valueType: z.ZodType;
  readonly options: readonly z.ZodType[];
  readonly in: z.ZodType;
  readonly out: z.ZodType;
}

/**
 * The same schema, but its objects, at every depth, keep the keys that they do not know. For files of ours: a later
 * release may have added keys, which must outlive a change by this one.
 */
export function loosened<S extends z.ZodType>(schema: S): S {
  const definition = schema.def as unknown as Definition;
  const changed = (parts: Partial<Definition> & { readonly catchall?: z.ZodType }) =>
    schema.clone({ ...schema.def, ...parts } as typeof schema.def) as S;
  switch (definition.type) {
    case "object": {
      const entries = Object.entries(definition.shape).map(([key, value]) => [key, loosened(value)] as const);
      return changed({ catchall: z.unknown(), shape: Object.fromEntries(entries) });
    }
    case "optional":
    case "default":
    case "prefault":
    case "readonly":
      return changed({ innerType: loosened(definition.innerType) });
    case "array":
      return changed({ element: loosened(definition.element) });
    case "record":
      return changed({ valueType: loosened(definition.valueType) });
    case "union":
      return changed({ options: definition.options.map(loosened) });
    case "pipe":
      return changed({ in: loosened(definition.in), out: loosened(definition.out) });
    default:
      return schema;
  }
}
