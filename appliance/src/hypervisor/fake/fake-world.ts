import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { TemplateRecord, VmRecord } from '../port.ts'

/** A machine of the fake world: the record, what is on its disk, and what its snapshots hold. */
export interface FakeMachine {
  record: VmRecord
  /** Grows with each start; stands for the data on the disk, so that reinstall and rollback can be told apart. */
  disk: { writes: number }
  saved: Record<string, { writes: number }>
  freeholdJson: string
}

/** All that exists. Kept in memory, or in a JSON file that is replaced whole, so that kill -9 loses nothing. */
export interface FakeWorld {
  machines: Map<string, FakeMachine>
  templates: Map<string, TemplateRecord>
  save(): void
}

const bigints = (_: string, value: unknown) => (typeof value === 'bigint' ? { $bigint: value.toString() } : value)
const revive = (_: string, value: unknown) =>
  typeof value === 'object' && value !== null && '$bigint' in value ? BigInt(String(value.$bigint)) : value

/** Opens the world of `file`, or an empty one. */
export function openWorld(file: string | undefined): FakeWorld {
  const world: FakeWorld = {
    machines: new Map(),
    templates: new Map(),
    save() {
      if (file === undefined) return
      writeFileSync(`${file}.new`, JSON.stringify({ machines: [...world.machines], templates: [...world.templates] }, bigints))
      renameSync(`${file}.new`, file)
    },
  }
  if (file === undefined) return world
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return world
  }
  const kept = JSON.parse(text, revive) as { machines: [string, FakeMachine][]; templates: [string, TemplateRecord][] }
  world.machines = new Map(kept.machines)
  world.templates = new Map(kept.templates)
  return world
}
