import type { Texts } from '../i18n/text-context.tsx'

/** Steps of the host that have words of their own; others are shown by their name (X7). */
const known = [
  'addresses',
  'disk',
  'start',
  'booting',
  'guest-report',
  'sshd',
  'intent',
  'activate',
  'activating',
  'stop',
  'shutdown',
  'snapshot',
  'rollback',
  'generation',
  'keep-running',
  'entitled',
  'reject',
  'end',
  'destroy',
] as const

/** A step or phase in the person's language, by its name and its task's kind as the API tells them; undefined if it has no words here. */
export function phaseName(phase: string, t: Texts['t'], kind?: string): string | undefined {
  if (kind === 'destroy' && phase === 'addresses') return t('phase.release')
  const name = known.find((k) => k === phase)
  return name === undefined ? undefined : t(`phase.${name}`)
}

/** What goes on just now, in the person's language; what has no words is shown by its name. */
export function phaseText(phase: string, t: Texts['t'], kind?: string): string {
  return phaseName(phase, t, kind) ?? t('phase.other', { phase })
}
