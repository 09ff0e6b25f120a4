import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { testInstallation } from '../sign-in/test-stand.ts'
import type { Store } from '../store/store.ts'

export interface Schema {
  type?: string
  properties?: Record<string, Schema>
  required?: string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
  items?: Schema
}
interface Parameter {
  name: string
  in: string
  required?: boolean
  schema?: Schema
}
interface Operation {
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}
/** One method at one path, as the served document names it. */
export interface Route {
  method: string
  template: string
  path: string
  body: Schema | undefined
}

/** All routes of a served OpenAPI document, each with a path that leads there. */
export function routesOf(document: Record<string, unknown>): Route[] {
  const paths = document['paths'] as Record<string, Record<string, Operation>>
  return Object.entries(paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      template,
      path: template
        .replace(/\{vmId\}/, `${testInstallation}-42`)
        .replace(/\{code\}/, 'AAAAAAAA')
        .replace(/\{channelId\}/, 'operator')
        .replace(/\{hash\}/, `0x${'11'.repeat(32)}`)
        .replace(/\{section\}/, 'chain')
        .replace(/\{\w+\}/g, 'ab'.repeat(16)),
      body: operation.requestBody?.content['application/json']?.schema,
    })),
  )
}

export const named = (r: Route): string => `${r.method} ${r.template}`
export const alternatives = (schema: Schema): Schema[] => schema.anyOf ?? schema.oneOf ?? [schema]

/** One value of the right type for a schema, not more. */
export function some(schema: Schema | undefined): unknown {
  if (schema?.const !== undefined) return schema.const
  if (schema?.enum !== undefined) return schema.enum[0]
  switch (schema?.type) {
    case 'object': {
      const names = schema.required ?? []
      return Object.fromEntries(names.map((name) => [name, some(schema.properties?.[name])]))
    }
    case 'array':
      return []
    case 'integer':
    case 'number':
      return 1
    case 'boolean':
      return true
    default:
      return 'ab'.repeat(16)
  }
}

/** A value of another type than any alternative takes. */
export function wrong(schema: Schema): unknown {
  const types = new Set(alternatives(schema).map((s) => s.type ?? typeof (s.const ?? s.enum?.[0])))
  return [{ nested: { deep: [] } }, 1.5, 'text', true, []].find(
    (value) => !types.has(Array.isArray(value) ? 'array' : typeof value) && !(types.has('integer') && typeof value === 'number'),
  )
}

/** Requests are counted there, refused ones too. */
const counting = new Set(['rate_limits', 'sqlite_sequence', 'schema_migrations'])

/** Every row of every table: leases, tasks, transactions, sessions, destroys, settings, and what is added later. */
export function rowsOf(store: Pick<Store, 'copyTo'>): Record<string, unknown[]> {
  const folder = mkdtempSync(join(tmpdir(), 'freehold-rows-'))
  try {
    const file = join(folder, 'copy.db')
    store.copyTo(file)
    const db = new DatabaseSync(file, { readOnly: true })
    try {
      const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all() as { name: string }[]
      const kept = tables.map(({ name }) => name).filter((name) => !counting.has(name))
      return Object.fromEntries(kept.map((name) => [name, db.prepare(`SELECT * FROM "${name}"`).all()]))
    } finally {
      db.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Every file below a folder, by what is in it: keys, secrets, settings of the host. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`)
    .toSorted()
}

/** A request whose body never ends, on a connection of its own. */
export interface SlowBody {
  /** What came back by now. */
  said(): string
  closed: Promise<void>
  end(): void
}

/** Sends head and first byte of a body of 1000. Resolves when they are on their way. */
export async function slowBody(
  at: { socketPath: string; host: string; headers?: Record<string, string> },
  { method, path }: Pick<Route, 'method' | 'path'>,
): Promise<SlowBody> {
  const socket = connect(at.socketPath)
  const closed = new Promise<void>((done) => socket.once('close', () => done()))
  let said = ''
  socket.on('data', (chunk: Buffer) => (said += chunk.toString()))
  socket.on('error', () => undefined)
  const headers = { host: at.host, 'content-type': 'application/json', 'content-length': '1000', ...at.headers }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  await new Promise<void>((sent) => socket.write(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n{`, () => sent()))
  return { said: () => said, closed, end: () => socket.destroy() }
}
