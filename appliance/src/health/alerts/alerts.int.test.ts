import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, suite, test } from 'node:test'
import { systemClock } from '../../clock/clock.ts'
import { openStore, type Store } from '../../store/store.ts'
import type { Issue } from '../issue.ts'
import { openAlerts, type Alerts } from './alerts.ts'
import { headlineOf } from './send-alert.ts'

const issue = (code: string, severity: Issue['severity']): Issue => ({
  code,
  subject: 'host',
  severity,
  title: `Title of ${code}`,
  effect: 'What it means.',
  remedy: 'What to do.',
  since: 0,
})

/** A mail server that takes everything, or refuses the recipient; says what it got. */
function mailServer() {
  const mails: string[] = []
  const state = { refuse: false, mails }
  const server = createServer((socket) => {
    let data: string | undefined
    let buffer = ''
    const say = (line: string) => socket.write(`${line}\r\n`)
    say('220 stand ESMTP')
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      buffer += chunk.toString()
      for (;;) {
        const end = buffer.indexOf('\r\n')
        if (end < 0) return
        const line = buffer.slice(0, end)
        buffer = buffer.slice(end + 2)
        if (data !== undefined) {
          if (line === '.') {
            mails.push(data)
            data = undefined
            say('250 2.0.0 Ok: queued as 4711')
          } else data += `${line}\n`
        } else if (line.startsWith('EHLO')) say('250 stand')
        else if (line.startsWith('RCPT') && state.refuse) say('550 5.1.1 no such mailbox')
        else if (line.startsWith('DATA')) {
          data = ''
          say('354 go on')
        } else if (line.startsWith('QUIT')) socket.end('221 bye\r\n')
        else say('250 ok')
      }
    })
  })
  return { server, state }
}

suite('alerts', () => {
  let folder: string
  let store: Store
  const mail = mailServer()
  const posts: { headers: Record<string, unknown>; body: string }[] = []
  let answer = { status: 200, text: 'thank you' }
  let web: Server
  let webUrl: string
  let file: string
  let alerts: Alerts
  const logged: string[] = []
  const ports = () => ({
    clock: systemClock,
    file,
    settings: store.settings,
    host: 'host.example',
    log: (line: string) => void logged.push(line),
  })
  const channels = () =>
    [
      {
        kind: 'mail',
        channelId: 'mail',
        enabled: true,
        minimumSeverity: 'low',
        host: '127.0.0.1',
        port: (mail.server.address() as AddressInfo).port,
        security: 'none',
        user: '',
        from: 'host@host.example',
        to: 'operator@host.example',
      },
      { kind: 'webhook', channelId: 'hook', enabled: true, minimumSeverity: 'high', url: `${webUrl}/hook`, secret: 'a-secret' },
      { kind: 'ntfy', channelId: 'phone', enabled: false, minimumSeverity: 'low', url: `${webUrl}/topic`, secret: 'tk_token' },
    ] as const

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fh-alerts-'))
    store = await openStore(join(folder, 'freehold.db'), { clock: systemClock })
    web = createHttpServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        posts.push({ headers: request.headers, body })
        response.writeHead(answer.status).end(answer.text)
      })
    })
    const listening = (server: { listen(port: number, host: string, done: () => void): unknown }) =>
      new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    await listening(web)
    await listening(mail.server)
    webUrl = `http://127.0.0.1:${(web.address() as AddressInfo).port}`
    file = join(folder, 'secrets/alerts.json')
  })
  beforeEach(async () => {
    await rm(file, { force: true })
    await store.settings.remove('alerts-told')
    posts.length = mail.state.mails.length = logged.length = 0
    mail.state.refuse = false
    answer = { status: 200, text: 'thank you' }
    alerts = await openAlerts(ports())
    await alerts.replace(channels())
  })
  after(async () => {
    web.close()
    mail.server.close()
    await store.close()
    await rm(folder, { recursive: true, force: true })
  })

  test('O10 denies a file that others may read, and one that is damaged, without quoting it', async () => {
    await chmod(file, 0o644)
    await assert.rejects(openAlerts(ports()), { code: 'config-unreadable' })
    await chmod(file, 0o600)
    await writeFile(file, '{"channels": "a-secret')
    await assert.rejects(openAlerts(ports()), (error: Error) => !JSON.stringify(error).includes('a-secret'))
  })

  test('O10 no secret is shown again, and a secret does not go along to another place', async () => {
    assert.doesNotMatch(JSON.stringify(alerts.list()), /a-secret|tk_token/)
    assert.equal(((await stat(file)).mode & 0o777).toString(8), '600')
    const [, hook] = channels()
    const { secret: _, ...silent } = hook
    await alerts.replace([silent])
    assert.match(await readFile(file, 'utf8'), /a-secret/, 'it stays where the place stays')
    await alerts.replace([{ ...silent, url: `${webUrl}/elsewhere` }])
    assert.doesNotMatch(await readFile(file, 'utf8'), /a-secret/)
    assert.equal(alerts.list()[0]?.hasSecret, false)
  })

  test('O10 two channels of one name are refused and nothing is changed', async () => {
    const [first] = channels()
    await assert.rejects(alerts.replace([first, first]), { code: 'bad-input' })
    assert.equal(alerts.list().length, 3)
  })

  test('O10 each test tells the real reply: of the mail server, of the web server, and why nobody answered', async () => {
    assert.deepEqual(await alerts.test('mail'), { ok: true, reply: '250 2.0.0 Ok: queued as 4711' })
    mail.state.refuse = true
    const refused = await alerts.test('mail')
    assert.equal(refused.ok, false)
    assert.match(refused.reply, /550 5\.1\.1 no such mailbox/)
    answer = { status: 403, text: 'not you' }
    assert.deepEqual(await alerts.test('hook'), { ok: false, reply: '403 Forbidden not you' })
    await assert.rejects(alerts.test('nobody'), { code: 'not-found' })
    const [, hook] = channels()
    await alerts.replace([{ ...hook, url: 'http://127.0.0.1:9/' }])
    const silent = await alerts.test('hook')
    assert.equal(silent.ok, false)
    assert.notEqual(silent.reply, '')
  })

  test('O10 an endless answer is cut off', async () => {
    answer = { status: 200, text: 'x'.repeat(5_000_000) }
    assert.equal((await alerts.test('hook')).reply.length, 300)
  })

  test('O10 a webhook is signed, ntfy gets title, priority and token', async () => {
    await alerts.test('hook')
    const [hook] = posts
    const signature = createHmac('sha256', 'a-secret')
      .update(hook?.body ?? '')
      .digest('hex')
    assert.equal(hook?.headers['freehold-signature'], `sha256=${signature}`)
    await alerts.test('phone')
    assert.equal(posts[1]?.headers['authorization'], 'Bearer tk_token')
    assert.equal(posts[1]?.headers['priority'], '3')
    assert.match(String(posts[1]?.headers['title']), /^Test: /)
  })

  test('O10 an issue is told once by each channel that minds it, also after a restart, and its end is told', async () => {
    await alerts.tell([issue('rpc-stale', 'high'), issue('single-rpc', 'low')])
    assert.equal(mail.state.mails.length, 2)
    assert.equal(posts.length, 1, 'the webhook minds only what is bad, and a channel that is off gets nothing')
    alerts = await openAlerts(ports())
    await alerts.tell([issue('rpc-stale', 'high'), issue('single-rpc', 'low')])
    assert.equal(mail.state.mails.length, 2)
    await alerts.tell([issue('single-rpc', 'low')])
    assert.equal(mail.state.mails.length, 3)
    assert.match(mail.state.mails[2] ?? '', /Subject: Cleared: Title of rpc-stale/)
    assert.match(posts[1]?.body ?? '', /"kind":"cleared"/)
  })

  test('O10 what could not be sent is sent at a later look, and the log says why', async () => {
    answer = { status: 500, text: '' }
    await alerts.tell([issue('rpc-stale', 'high')])
    assert.match(logged.join(), /hook: 500/)
    answer = { status: 200, text: '' }
    await alerts.tell([issue('rpc-stale', 'high')])
    await alerts.tell([issue('rpc-stale', 'high')])
    assert.equal(posts.length, 2)
    assert.equal(mail.state.mails.length, 1, 'and the one that had it does not get it twice')
  })

  test('O10 a title cannot begin another header', () => {
    const alert = { ...issue('x', 'low'), kind: 'raised', text: '', at: 0, title: 'a\r\nBcc: b@c' } as const
    assert.doesNotMatch(headlineOf(alert, 'h'), /[\r\n]/)
  })
})
