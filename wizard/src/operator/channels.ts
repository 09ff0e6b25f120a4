import type { AlertChannelInput, AlertChannelView } from '@freehold/appliance/health/alerts/channel-schema'

export type ChannelKind = AlertChannelInput['kind']

/** A channel as the form edits it: without what only the host knows. Its secret stays unless a new one is typed. */
export function inputOf(view: AlertChannelView): AlertChannelInput {
  const { hasSecret: _h, last: _l, ...input } = view
  return input
}

/** A channel to fill in, under a name that no other has. */
export function emptyChannel(kind: ChannelKind, others: readonly AlertChannelInput[]): AlertChannelInput {
  const taken = new Set(others.map((c) => c.channelId))
  let channelId: string = kind
  for (let n = 2; taken.has(channelId); n++) channelId = `${kind}-${n}`
  const common = { channelId, enabled: true, minimumSeverity: 'medium' } as const
  switch (kind) {
    case 'mail':
      return { ...common, kind, host: '', port: 587, security: 'starttls', user: '', from: '', to: '' }
    case 'webhook':
      return { ...common, kind, url: '' }
    case 'ntfy':
      return { ...common, kind, url: '' }
  }
}
