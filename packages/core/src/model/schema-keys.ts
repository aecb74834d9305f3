import type { z } from "zod";

type Path = readonly (string | number)[];

/** The keys that an object schema knows at `path`, given the value there. Empty when they are unknown. */
export function keysAt(schema: z.ZodType, value: unknown, path: Path): readonly string[] {
  const here = chooseMember(schemaAt(schema, value, path), valueAt(value, path));
  return here?._zod.def.type === "object" ? Object.keys((here as z.core.$ZodObject)._zod.def.shape) : [];
}

/** The values that the discriminator of a union at `path` can have. */
export function discriminatorsAt(schema: z.ZodType, value: unknown, path: Path): readonly string[] {
  const here = schemaAt(schema, value, path);
  if (!isDiscriminated(here)) return [];
  const { options, discriminator } = here._zod.def;
  return options.flatMap((option) => [...(option._zod.propValues?.[discriminator] ?? [])].map(String));
}

function schemaAt(schema: z.core.$ZodType, value: unknown, path: Path): z.core.$ZodType | undefined {
  let here: z.core.$ZodType | undefined = unwrap(schema);
  for (const [depth, key] of path.entries()) {
    here = chooseMember(here, valueAt(value, path.slice(0, depth)));
    here = here && child(here, key);
    here = here && unwrap(here);
  }
  return here;
}

function child(schema: z.core.$ZodType, key: string | number): z.core.$ZodType | undefined {
  switch (schema._zod.def.type) {
    case "object":
      return (schema as z.core.$ZodObject)._zod.def.shape[String(key)];
    case "record":
      return (schema as z.core.$ZodRecord)._zod.def.valueType;
    case "array":
      return (schema as z.core.$ZodArray)._zod.def.element;
    default:
      return undefined;
  }
}

// Removes wrappers that do not change which keys a schema knows.
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  const def = schema._zod.def as Partial<Readonly<Record<"innerType" | "in" | "out", z.core.$ZodType>>>;
  // A pipe has the keys of its first half, unless that only prepares the value for the second (preprocess()).
  const inner = def.innerType ?? (def.in?._zod.def.type === "transform" ? def.out : def.in);
  return inner === undefined ? schema : unwrap(inner);
}

function chooseMember(schema: z.core.$ZodType | undefined, value: unknown): z.core.$ZodType | undefined {
  if (!isDiscriminated(schema)) return (isObject(value) && objectMember(schema)) || schema;
  const { options, discriminator } = schema._zod.def;
  const tag = valueAt(value, [discriminator]);
  return options.find((option) => option._zod.propValues?.[discriminator]?.has(tag as string));
}

/** The only member of a plain union that is an object. */
function objectMember(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  if (schema?._zod.def.type !== "union") return undefined;
  const objects = (schema as z.core.$ZodUnion)._zod.def.options
    .map(unwrap)
    .filter(({ _zod }) => _zod.def.type === "object");
  return objects.length === 1 ? objects[0] : undefined;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isDiscriminated(schema: z.core.$ZodType | undefined): schema is z.core.$ZodDiscriminatedUnion {
  return schema !== undefined && "discriminator" in schema._zod.def;
}

export function valueAt(value: unknown, path: Path): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== "object" || here === null) return undefined;
    here = (here as Record<string | number, unknown>)[key];
  }
  return here;
}
