import type { Severity } from '../issue.ts'

/** A place that alerts go to, with its secret: a password, a bearer token, or what signs a webhook. */
export type AlertChannel = {
  channelId: string
  minimumSeverity: Severity
  enabled: boolean
  secret: string | null
} & (
  | {
      kind: 'mail'
      host: string
      port: number
      security: 'tls' | 'starttls' | 'none'
      user: string
      from: string
      to: string
    }
  | { kind: 'webhook'; url: string }
  | { kind: 'ntfy'; url: string }
)

/** What is told: plain words, no secret and no address of a subscriber beyond what the issue says. */
export interface Alert {
  kind: 'raised' | 'cleared' | 'test'
  code: string
  subject: string
  severity: Severity
  title: string
  text: string
  /** Unix seconds. */
  at: number
}

/** What the other side answered. `ok` is false where nobody answered or it was refused. */
export interface Delivery {
  ok: boolean
  reply: string
}
