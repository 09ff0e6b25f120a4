import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Config, ConfigInput } from '../../config/schema.ts'
import { AppError, type FieldError } from '../../errors/app-error.ts'
import type { SettingRepository } from '../../store/settings.ts'
import type { SectionName } from './section.ts'
import { sectionOf, sectionsAsked } from './sections.ts'

const entrySchema = z.strictObject({
  value: z.record(z.string(), z.unknown()),
  revision: z.number().int(),
  /** Hash of each followed section at the moment of the answer. */
  basis: z.record(z.string(), z.string()),
})
const draftSchema = z.record(z.string(), entrySchema)
type Draft = z.output<typeof draftSchema>

/** How a section stands: `check-again` where an earlier answer has changed since (W7). */
export type SectionState = 'open' | 'answered' | 'check-again'

export interface SectionView {
  name: SectionName
  state: SectionState
  /** Grows with each answer; a change names the one it was made from. 0: never answered. */
  revision: number
  value: Record<string, unknown> | null
}

/**
 * The answers given so far, kept by the host: any browser that holds the code sees the same ones, also after a power cut (W6).
 * What the installation itself brings (version, mode, listeners) is in `base` and asked of nobody.
 */
export interface SetupDraft {
  views(): Promise<SectionView[]>
  /** Keeps an answer. Throws `bad-input` with JSON pointers, `not-in-this-state` if another browser answered meanwhile. */
  put(name: SectionName, value: unknown, fromRevision: number): Promise<SectionView>
  /** All valid answers so far, by top-level field. */
  known(): Promise<Partial<Config>>
  /** The whole as an answer file has it. Throws `not-in-this-state` naming the first section that is open. */
  answers(): Promise<ConfigInput>
  forget(): Promise<void>
}

const key = 'setup draft'

export function createDraft(settings: SettingRepository, base: Partial<ConfigInput>): SetupDraft {
  let turn: Promise<unknown> = Promise.resolve()
  const sections = sectionsAsked(base)

  const read = async (): Promise<Draft> => (await settings.get(key, draftSchema)) ?? {}

  /** One writer at a time: two browsers at one moment are two answers, the second from an old revision. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work)
    turn = next.catch(() => undefined)
    return next
  }

  return {
    async views() {
      const draft = await read()
      return sections.map(({ name }) => viewOf(draft, name))
    },
    put: (name, value, fromRevision) =>
      inTurn(async () => {
        if (!sections.some((section) => section.name === name)) {
          throw new AppError({ code: 'not-in-this-state', detail: `This installation does not ask for "${name}".` })
        }
        const draft = await read()
        const present = draft[name]?.revision ?? 0
        if (present !== fromRevision) {
          throw new AppError({
            code: 'not-in-this-state',
            detail: 'Another browser has answered this page meanwhile.',
            hint: 'Look at its answer; what you typed stays here until you leave.',
          })
        }
        const parsed = parseSection(name, value)
        const entry = { value: parsed, revision: present + 1, basis: basisOf(draft, name) }
        const next = { ...draft, [name]: entry }
        await settings.put(key, next)
        return viewOf(next, name)
      }),
    async known() {
      const draft = await read()
      return Object.assign({}, ...sections.map(({ name }) => valid(draft, name) ?? {})) as Partial<Config>
    },
    async answers() {
      const draft = await read()
      const open = sections.find(({ name }) => viewOf(draft, name).state !== 'answered')
      if (open !== undefined) {
        throw new AppError({
          code: 'not-in-this-state',
          detail: `The page "${open.name}" is not answered yet, or an earlier answer has changed since.`,
          hint: 'Answer it, then come back.',
        })
      }
      return { ...base, ...Object.assign({}, ...sections.map(({ name }) => draft[name]?.value ?? {})) } as ConfigInput
    },
    forget: () => inTurn(() => settings.remove(key)),
  }
}

/** The value as the schema reads it, with defaults. Throws `bad-input`, one field per mistake. */
export function parseSection(name: SectionName, value: unknown): Record<string, unknown> {
  const result = sectionOf(name).schema.safeParse(value)
  if (result.success) return result.data as Record<string, unknown>
  const fields: FieldError[] = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((one) => ({ pointer: pointerOf([...issue.path, one]), detail: 'this field is not known' }))
      : [{ pointer: pointerOf(issue.path), detail: issue.message }],
  )
  throw new AppError({
    code: 'bad-input',
    detail: `${fields.length === 1 ? 'One field is' : `${fields.length} fields are`} not valid.`,
    fields,
  })
}

function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part)}`).join('')
}

/** What was kept may be of an older Freehold: it counts only if it is still valid. */
function valid(draft: Draft, name: SectionName): Record<string, unknown> | undefined {
  const entry = draft[name]
  if (entry === undefined) return undefined
  const result = sectionOf(name).schema.safeParse(entry.value)
  return result.success ? (result.data as Record<string, unknown>) : undefined
}

function viewOf(draft: Draft, name: SectionName): SectionView {
  const entry = draft[name]
  const preset = sectionOf(name).preset as Record<string, unknown> | undefined
  if (entry === undefined) {
    return { name, state: preset === undefined ? 'open' : 'answered', revision: 0, value: preset ?? null }
  }
  const { revision, value } = entry
  if (valid(draft, name) === undefined) return { name, state: 'open', revision, value }
  const basis = basisOf(draft, name)
  const moved = sectionOf(name).follows.some((followed) => basis[followed] !== entry.basis[followed])
  return { name, state: moved ? 'check-again' : 'answered', revision, value }
}

function basisOf(draft: Draft, name: SectionName): Record<string, string> {
  return Object.fromEntries(sectionOf(name).follows.map((followed) => [followed, hashOf(draft[followed]?.value)]))
}

function hashOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value ?? null))
    .digest('hex')
}
