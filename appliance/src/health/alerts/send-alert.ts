import { createHmac } from 'node:crypto'
import { createTransport } from 'nodemailer'
import type { Alert, AlertChannel, Delivery } from './alert-channel.ts'

const patienceMs = 15_000
const replyLength = 300
const ntfyPriority = { high: '5', medium: '4', low: '3' } as const

/** Sends one alert through one channel and resolves with the real reply; never rejects. At most 15 s. */
export async function sendAlert(channel: AlertChannel, alert: Alert, host: string): Promise<Delivery> {
  try {
    switch (channel.kind) {
      case 'mail':
        return await byMail(channel, alert, host)
      case 'webhook':
        return await byWebhook(channel, alert, host)
      case 'ntfy':
        return await byNtfy(channel, alert, host)
    }
  } catch (error) {
    return { ok: false, reply: wordsOf(error, channel.secret) }
  }
}

/** The subject of a mail and the title of a message. Line breaks cannot be in it: they would begin another header. */
export function headlineOf(alert: Alert, host: string): string {
  const mark = { raised: 'Issue', cleared: 'Cleared', test: 'Test' }[alert.kind]
  return `${mark}: ${alert.title} (${host})`.replace(/[\r\n]+/g, ' ')
}

async function byMail(channel: Extract<AlertChannel, { kind: 'mail' }>, alert: Alert, host: string): Promise<Delivery> {
  const transport = createTransport({
    host: channel.host,
    port: channel.port,
    secure: channel.security === 'tls',
    requireTLS: channel.security === 'starttls',
    ignoreTLS: channel.security === 'none',
    connectionTimeout: patienceMs,
    greetingTimeout: patienceMs,
    socketTimeout: patienceMs,
    // nothing of a message is read from a file or fetched from elsewhere
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(channel.user !== '' && { auth: { user: channel.user, pass: channel.secret ?? '' } }),
  })
  try {
    const { response } = await transport.sendMail({
      from: channel.from,
      to: channel.to,
      subject: headlineOf(alert, host),
      text: `${alert.text}\n\n${alert.code} · ${alert.subject}\n`,
    })
    return { ok: true, reply: shortened(response) }
  } finally {
    transport.close()
  }
}

/** JSON; with a secret, `Freehold-Signature` is the HMAC-SHA256 of the body in hex, so that the receiver knows who wrote. */
async function byWebhook(channel: Extract<AlertChannel, { kind: 'webhook' }>, alert: Alert, host: string): Promise<Delivery> {
  const body = JSON.stringify({ host, ...alert })
  return await post(channel.url, body, {
    'content-type': 'application/json',
    ...(channel.secret !== null && {
      'freehold-signature': `sha256=${createHmac('sha256', channel.secret).update(body).digest('hex')}`,
    }),
  })
}

/** Source: https://docs.ntfy.sh/publish/ (headers Title, Priority, Tags; a token as bearer). */
async function byNtfy(channel: Extract<AlertChannel, { kind: 'ntfy' }>, alert: Alert, host: string): Promise<Delivery> {
  return await post(channel.url, alert.text, {
    // a header holds no letters beyond Latin-1
    title: headlineOf(alert, host).replace(/[^\x20-\x7e]/g, '?'),
    priority: ntfyPriority[alert.severity],
    tags: alert.kind === 'cleared' ? 'white_check_mark' : 'warning',
    ...(channel.secret !== null && { authorization: `Bearer ${channel.secret}` }),
  })
}

async function post(url: string, body: string, headers: Record<string, string>): Promise<Delivery> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers,
    redirect: 'manual',
    signal: AbortSignal.timeout(patienceMs),
  })
  const text = await beginningOf(response)
  return { ok: response.ok, reply: shortened(`${response.status} ${response.statusText} ${text}`) }
}

/** Only what is shown is read: an endless answer fills no memory. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  while (text.length < replyLength) {
    const { done, value } = await reader.read()
    if (done) return text
    text += decoder.decode(value as Uint8Array, { stream: true })
  }
  await reader.cancel()
  return text
}

function shortened(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, replyLength)
}

/** Of a failure what an operator can use; a secret that some library put into its words is taken out. */
function wordsOf(error: unknown, secret: string | null): string {
  const lines: string[] = []
  for (let e = error; e instanceof Error && lines.length < 3; e = e.cause) lines.push(e.message)
  const text = shortened(lines.join(': ') || String(error))
  return secret === null || secret === '' ? text : text.replaceAll(secret, '…')
}
