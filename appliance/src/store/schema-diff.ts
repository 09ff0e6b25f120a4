import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { bindMigrationAwareSqlAdapterFactory, type SqlDriverAdapter } from '@prisma/driver-adapter-utils'
import { migrate } from './migrate.ts'
import { NodeSqliteAdapterFactory } from './node-sqlite-adapter.ts'

/** The schema engine also asks for a shadow database; it stays empty here. */
class DiffFactory extends NodeSqliteAdapterFactory {
  connectToShadowDb(): Promise<SqlDriverAdapter> {
    return new NodeSqliteAdapterFactory(new DatabaseSync(':memory:')).connect()
  }
}

/**
 * The SQL that is missing between the migrations and schema.prisma; empty when they agree. A development tool: the engine is
 * no dependency of the daemon. Prisma's own `migrate diff` wants a native engine, this is the same one as WebAssembly.
 */
export async function schemaDrift(): Promise<string> {
  const { SchemaEngine } = await import('@prisma/schema-engine-wasm')
  const path = join(import.meta.dirname, 'schema.prisma')
  const content = readFileSync(path, 'utf8')
  const db = new DatabaseSync(':memory:')
  migrate(db, 0)
  db.exec('DROP TABLE schema_migrations')
  const engine = await SchemaEngine.new(
    { datamodels: [[path, content]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(new DiffFactory(db)),
  )
  const files = [{ path, content }]
  const { exitCode, stdout } = await engine.diff({
    from: { tag: 'schemaDatasource', files, configDir: import.meta.dirname },
    to: { tag: 'schemaDatamodel', files },
    script: true,
    exitCode: true,
    filters: { externalTables: [], externalEnums: [] },
  })
  db.close()
  return exitCode === 0 ? '' : (stdout ?? '')
}

if (import.meta.main) process.stdout.write(await schemaDrift())
