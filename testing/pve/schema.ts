import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

// The published API schema of 9.1 (extract): which methods there are, what they take, who may call them.

const definition: z.ZodType<Definition> = z.lazy(() =>
  z.looseObject({
    $param: z.string().optional(),
    type: z.string().optional(),
    optional: z.union([z.number(), z.string()]).optional(),
    enum: z
      .array(z.string())
      .nullish()
      .transform((list) => list ?? undefined),
    minimum: z.union([z.number(), z.string()]).optional(),
    maximum: z.union([z.number(), z.string()]).optional(),
    minLength: z.number().optional(),
    maxLength: z.number().optional(),
    pattern: z.string().optional(),
    requires: z.string().optional(),
    format: z.union([z.string(), z.looseObject({ $format: z.string().optional() })]).optional(),
    default_key: z.number().optional(),
    alias: z.string().optional(),
    keyAlias: z.string().optional(),
  }),
)

/** One parameter as the schema describes it. */
export interface Definition {
  [key: string]: unknown
  $param?: string | undefined
  type?: string | undefined
  optional?: number | string | undefined
  enum?: string[] | undefined
  minimum?: number | string | undefined
  maximum?: number | string | undefined
  minLength?: number | undefined
  maxLength?: number | undefined
  pattern?: string | undefined
  requires?: string | undefined
  format?: string | { $format?: string | undefined; [key: string]: unknown } | undefined
  default_key?: number | undefined
  alias?: string | undefined
  keyAlias?: string | undefined
}

const method = z.looseObject({
  permissions: z.looseObject({ check: z.unknown().optional(), user: z.string().optional() }).nullish(),
  allowtoken: z.number().optional(),
  additionalProperties: z.number().optional(),
  parameters: z.record(z.string(), definition).default({}),
})
/** One method of one path. */
export type SchemaMethod = z.output<typeof method>

const file = z.object({
  parameterDefs: z.record(z.string(), definition),
  formats: z.record(z.string(), z.unknown()),
  paths: z.record(z.string(), z.record(z.string(), method)),
})
const schema = file.parse(JSON.parse(readFileSync(join(import.meta.dirname, 'data/api-schema.json'), 'utf8')))

/** A path of the schema with what stands for its braces. */
export interface Route {
  /** As the schema writes it: `/nodes/{node}/qemu/{vmid}`. */
  template: string
  method: SchemaMethod
  values: Record<string, string>
}

const compiled = Object.entries(schema.paths).map(([template, methods]) => ({
  template,
  methods,
  pattern: new RegExp(`^${template.replace(/\{[^}]+\}/g, (name) => (name === '{volume}' ? '(.+)' : '([^/]+)'))}$`),
  names: [...template.matchAll(/\{([^}]+)\}/g)].map((match) => match[1] ?? ''),
  weight: template.split('{').length,
}))
compiled.sort((a, b) => a.weight - b.weight || b.template.length - a.template.length)

/** The route of a request, or undefined where the API knows none. */
export function findRoute(verb: string, path: string): Route | undefined {
  for (const { template, methods, pattern, names } of compiled) {
    const match = pattern.exec(path)
    const found = methods[verb]
    if (match === null || found === undefined) continue
    try {
      const values = Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(match[i + 1] ?? '')]))
      return { template, method: found, values }
    } catch {
      return undefined
    }
  }
  return undefined
}

/** The definition of a parameter of a method; `net3` is described as `net[n]`. Undefined if the method does not take it. */
export function parameterOf(found: SchemaMethod, name: string): Definition | undefined {
  const direct = found.parameters[name] ?? found.parameters[name.replace(/\d+$/, '[n]')]
  return direct === undefined ? undefined : resolve(direct)
}

/** Follows `$param`, and `$format` where the key of a property string is called `format` itself. */
export function resolve(definition: Definition): Definition {
  const format = definition['$format']
  if (typeof format === 'string') return resolve((schema.formats[format] ?? {}) as Definition)
  return definition.$param === undefined ? definition : resolve(schema.parameterDefs[definition.$param] ?? {})
}

/** The keys of a property string, by name of its format. */
export function propertyFormat(format: Definition['format']): Record<string, Definition> | undefined {
  if (typeof format !== 'object') return undefined
  const found = format.$format === undefined ? format : schema.formats[format.$format]
  const parsed = z.record(z.string(), definition).safeParse(found)
  return parsed.success ? Object.fromEntries(Object.entries(parsed.data).map(([key, value]) => [key, resolve(value)])) : undefined
}
