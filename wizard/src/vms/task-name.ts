import type { Texts } from '../i18n/text-context.tsx'

/** Work of the host that has a word of its own; other work is shown by its name (X7, X19). */
const known = [
  'create',
  'start',
  'stop',
  'reboot',
  'snapshot',
  'rollback',
  'reinstall',
  'suspend',
  'reject',
  'end',
  'destroy',
  'setup',
] as const

/** What a task does, in the person's language. `kind` is as the API tells it. */
export function taskName(kind: string, t: Texts['t']): string {
  const name = known.find((k) => k === kind)
  return name === undefined ? kind : t(`task.kind.${name}`)
}
