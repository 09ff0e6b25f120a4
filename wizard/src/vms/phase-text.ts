import type { Texts } from '../i18n/text-context.tsx'

/** Steps of the host that have words of their own; others are shown by their name (X7). */
const known = [
  'addresses',
  'disk',
  'start',
  'guest-report',
  'sshd',
  'intent',
  'activate',
  'stop',
  'shutdown',
  'snapshot',
  'rollback',
  'generation',
  'keep-running',
  'entitled',
] as const

/** What goes on, in the person's language. `phase` is a step's or phase's name, as the API tells it. */
export function phaseText(phase: string, t: Texts['t']): string {
  const name = known.find((k) => k === phase)
  return name === undefined ? t('phase.other', { phase }) : t(`phase.${name}`)
}
