import { z } from 'zod'
import { alertChannelInputSchema, type AlertChannelInput, type AlertChannelView } from './channel-schema.ts'
import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import type { SettingRepository } from '../../store/settings.ts'
import type { Issue } from '../issue.ts'
import type { AlertChannel, Delivery } from './alert-channel.ts'
import { readChannels, writeChannels } from './channel-file.ts'
import { sendAlert } from './send-alert.ts'

export interface AlertsPorts {
  clock: Clock
  /** The file of the channels and their secrets, mode 0600. */
  file: string
  settings: Pick<SettingRepository, 'get' | 'put'>
  /** How this host is named in what is sent. */
  host: string
  log(line: string): void
}

/** Where alerts go, and what was told there. */
export interface Alerts {
  list(): readonly AlertChannelView[]
  /** Puts these channels in the place of all others. Throws `bad-input` for two of one name. */
  replace(channels: readonly AlertChannelInput[]): Promise<readonly AlertChannelView[]>
  /** Sends a test through one channel and tells the real reply. Throws `not-found`. */
  test(channelId: string): Promise<Delivery>
  /** Tells what is new and what is gone; what could not be told is told at the next call. Never rejects. */
  tell(issues: readonly Issue[]): Promise<void>
}

const order = { low: 0, medium: 1, high: 2 } as const
const toldSchema = z.array(
  z.object({
    channelId: z.string(),
    code: z.string(),
    subject: z.string(),
    title: z.string(),
    severity: z.enum(['low', 'medium', 'high']),
  }),
)
type Told = z.output<typeof toldSchema>[number]
const settingKey = 'alerts-told'

/** Opens the channels of the file. Throws `config-unreadable` if it is there and not ours to read. */
export async function openAlerts(ports: AlertsPorts): Promise<Alerts> {
  const { clock, settings } = ports
  let channels = await readChannels(ports.file)
  const last = new Map<string, Delivery & { at: number }>()

  async function send(channel: AlertChannel, alert: Parameters<typeof sendAlert>[1]): Promise<Delivery> {
    const delivery = await sendAlert(channel, alert, ports.host)
    last.set(channel.channelId, { ...delivery, at: clock.now() })
    if (!delivery.ok) ports.log(`an alert could not be sent by ${channel.channelId}: ${delivery.reply}`)
    return delivery
  }

  async function tellAll(issues: readonly Issue[]): Promise<void> {
    const told = (await settings.get(settingKey, toldSchema)) ?? []
    const same = (a: Told, channelId: string, i: { code: string; subject: string }): boolean =>
      a.channelId === channelId && a.code === i.code && a.subject === i.subject
    const now: Told[] = []
    for (const channel of channels.filter((c) => c.enabled)) {
      const { channelId } = channel
      for (const issue of issues.filter((i) => order[i.severity] >= order[channel.minimumSeverity])) {
        const { code, subject, title, severity } = issue
        const known = told.some((t) => same(t, channelId, issue))
        const alert = {
          kind: 'raised',
          code,
          subject,
          title,
          severity,
          text: `${issue.effect}\n${issue.remedy}`,
          at: clock.now(),
        } as const
        if (known || (await send(channel, alert)).ok) now.push({ channelId, code, subject, title, severity })
      }
      // what was told and stands no more is told too; a reply that fails is tried again
      for (const gone of told.filter((t) => t.channelId === channelId && !issues.some((i) => same(t, channelId, i)))) {
        const alert = { ...gone, kind: 'cleared', text: `${gone.title}: this does not stand any more.`, at: clock.now() } as const
        if (!(await send(channel, alert)).ok) now.push(gone)
      }
    }
    if (JSON.stringify(now) !== JSON.stringify(told)) await settings.put(settingKey, now)
  }

  let telling: Promise<void> | undefined
  const list = (): readonly AlertChannelView[] =>
    channels.map(({ secret, ...channel }) => ({
      ...channel,
      hasSecret: secret !== null,
      last: last.get(channel.channelId) ?? null,
    }))

  return {
    list,
    async replace(wanted) {
      const names = wanted.map((c) => c.channelId)
      const twice = names.findIndex((name, i) => names.indexOf(name) !== i)
      if (twice >= 0) {
        throw new AppError({
          code: 'bad-input',
          detail: 'Two channels have one name.',
          fields: [{ pointer: `/channels/${twice}/channelId`, detail: 'this name is taken' }],
        })
      }
      const next = wanted.map((input): AlertChannel => {
        const { secret, ...channel } = alertChannelInputSchema.parse(input)
        const former = channels.find((c) => c.channelId === channel.channelId)
        // a secret goes with the place that it was entered for, and to no other
        const kept = former !== undefined && placeOf(former) === placeOf(channel) ? former.secret : null
        return { ...channel, secret: secret === undefined ? kept : secret === '' ? null : secret }
      })
      await writeChannels(ports.file, next)
      channels = next
      for (const name of last.keys()) if (!names.includes(name)) last.delete(name)
      return list()
    },
    async test(channelId) {
      const channel = channels.find((c) => c.channelId === channelId)
      if (channel === undefined) throw new AppError({ code: 'not-found', detail: `There is no channel ${channelId}.` })
      return await send(channel, {
        kind: 'test',
        code: 'test',
        subject: 'host',
        severity: 'low',
        title: 'Alerts of this host arrive here',
        text: 'This is a test. Nothing is wrong.',
        at: clock.now(),
      })
    },
    tell(issues) {
      // one look at a time: a slow mail server must not make two of every alert
      return (telling ??= tellAll(issues)
        .catch((error: unknown) => ports.log(`alerts could not be told: ${String(error)}`))
        .finally(() => (telling = undefined)))
    },
  }
}

/** Where a channel leads: a stored secret is not handed to another place by changing the address. */
function placeOf(channel: Omit<AlertChannel, 'secret'> | AlertChannelInput): string {
  const c = channel as AlertChannel
  return c.kind === 'mail' ? `mail ${c.host}:${c.port} ${c.security} ${c.user}` : `${c.kind} ${c.url}`
}
