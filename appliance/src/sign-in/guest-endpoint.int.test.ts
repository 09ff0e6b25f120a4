import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as tcpConnect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { connect } from 'node:tls'
import { reportToken, vmSecret } from '../vms/guest-secrets.ts'
import { createGuestEndpoint, type GuestEndpoint } from './guest-endpoint.ts'
import { loadOrCreateSecrets, type Secrets } from './secrets.ts'
import { createSignIn, type SignIn } from './sign-in.ts'
import { TestGuest } from './test-guest.ts'
import { holder, signInStand, testHostKey, testInstallation, type SignInStand } from './test-stand.ts'

const mark42 = `freehold:${testInstallation}/42/1`
const mark43 = `freehold:${testInstallation}/43/1`
const otherKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const login = { nonce: 'ab'.repeat(16), user: 'owner', source: '10.0.2.2' }

/** The endpoint with two VMs of one host behind it. */
class Stand {
  signIn!: SignIn
  endpoint!: GuestEndpoint
  secrets!: Secrets
  port = 0
  folder = ''
  base!: SignInStand
  reported: string[] = []
  guests: TestGuest[] = []

  async start(mode: 'embedded' | 'installed'): Promise<this> {
    this.base = await signInStand(mode)
    this.folder = await mkdtemp(join(tmpdir(), 'fh-guests-'))
    this.secrets = await loadOrCreateSecrets(join(this.folder, 'secrets'))
    this.signIn = createSignIn(this.base.ports)
    this.endpoint = createGuestEndpoint({
      ...this.base.ports,
      signIn: this.signIn,
      master: this.secrets.master,
      login: this.secrets.login,
      onReport: (key, { fingerprint }) => {
        this.reported.push(`${key.tokenId} ${fingerprint}`)
        return Promise.resolve()
      },
    })
    this.port = await this.endpoint.listen('127.0.0.1:0')
    return this
  }

  guest(mark?: string): TestGuest {
    const guest = new TestGuest(this.port, this.secrets.spkiSha256)
    if (mark !== undefined) guest.bearer = this.bearer(mark)
    this.guests.push(guest)
    return guest
  }
  bearer(mark: string): string {
    return `${mark.slice('freehold:'.length)}.${vmSecret(this.secrets.master, mark)}`
  }
  token(mark: string): string {
    return reportToken(this.secrets.master, mark)
  }
  async approve(code: string, address: string) {
    const text = this.signIn.textOf(this.signIn.open(code), holder.address)
    return await this.signIn.approve(
      code,
      { address: holder.address, signature: await holder.signMessage(text) },
      { address, cookieHash: null },
    )
  }
  async stop(): Promise<void> {
    for (const guest of this.guests) guest.close()
    await this.endpoint.close()
    await this.signIn.outcomesKept()
    await this.base.store.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

suite('the login endpoint of embedded mode', () => {
  let stand: Stand
  before(async () => {
    stand = await new Stand().start('embedded')
    await stand.base.putVm({ reported: false })
    await stand.base.putVm({ tokenId: 43n })
  })
  after(() => stand.stop())

  test('denies TLS 1.2 and plain HTTP', async () => {
    const refused = Promise.withResolvers<string>()
    connect({ port: stand.port, host: '127.0.0.1', maxVersion: 'TLSv1.2', rejectUnauthorized: false })
      .on('error', (error: NodeJS.ErrnoException) => refused.resolve(error.code ?? ''))
      .on('secureConnect', () => refused.resolve('connected'))
    assert.match(await refused.promise, /ALERT_PROTOCOL_VERSION|ECONNRESET/)
    const plain = Promise.withResolvers<string>()
    let answer = ''
    tcpConnect(stand.port, '127.0.0.1')
      .on('data', (d) => (answer += d.toString('latin1')))
      .on('error', () => plain.resolve(answer))
      .on('close', () => plain.resolve(answer))
      .end('GET /guest/v1/presence HTTP/1.1\r\nhost: x\r\n\r\n')
    assert.doesNotMatch(await plain.promise, /^HTTP/)
  })

  test('denies a report with a wrong token, of another generation, of no VM', async () => {
    const guest = stand.guest()
    const own = stand.token(mark42)
    for (const token of [
      '',
      'x',
      own.replace(/.$/, (c) => (c === '0' ? '1' : '0')),
      own.replace('/42/1.', '/43/1.'),
      stand.token(`freehold:${testInstallation}/42/2`),
      stand.token(`freehold:${testInstallation}/7/1`),
      stand.bearer(mark42),
    ]) {
      const { status, body } = await guest.call('POST', '/guest/v1/report', { token, hostKeys: [testHostKey.publicKey] })
      assert.equal(status, 401, token)
      assert.equal(body['detail'], 'This VM is not known here.')
    }
    assert.deepEqual(stand.reported, [])
  })

  test('denies a sign-in before the report', async () => {
    const { body } = await stand.guest(mark43).call('POST', '/guest/v1/login-requests', { ...login, nonce: 'x' })
    assert.equal(body['code'], 'bad-input')
  })

  test('the report is good until the secret is used; other keys are refused', async () => {
    const guest = stand.guest()
    const report = (key: string) =>
      guest.call('POST', '/guest/v1/report', { token: stand.token(mark42), hostKeys: ['ssh-rsa AAAA', key] })
    assert.equal((await report('ssh-ed25519 AAAA')).body['code'], 'bad-input')
    const first = await report(`${testHostKey.publicKey} root@vm`)
    assert.deepEqual(
      [first.status, first.body, first.protocol],
      [200, { secret: vmSecret(stand.secrets.master, mark42) }, 'TLSv1.3'],
    )
    assert.deepEqual((await report(testHostKey.publicKey)).body, first.body)
    assert.equal((await report(otherKey)).body['code'], 'already-reported')
    guest.bearer = stand.bearer(mark42)
    assert.equal((await guest.call('GET', '/guest/v1/presence')).status, 200)
    const { status, body } = await report(testHostKey.publicKey)
    assert.deepEqual([status, body['code']], [409, 'already-reported'])
    const row = await stand.base.store.vms.get({ installation: testInstallation, tokenId: 42n })
    assert.equal(row?.hostKey?.publicKey, testHostKey.publicKey)
    assert.ok(row?.reportedAt !== null && row?.secretUsedAt !== null)
  })

  test('denies calls without the secret, with the token, with the secret of another generation', async () => {
    for (const bearer of [
      undefined,
      'x',
      stand.token(mark42),
      stand.bearer(`freehold:${testInstallation}/42/2`),
      stand.bearer(mark42).replace('/42/1.', '/43/1.'),
    ]) {
      const guest = stand.guest()
      guest.bearer = bearer
      assert.equal((await guest.call('GET', '/guest/v1/presence')).status, 401, bearer ?? 'none')
    }
  })

  test('L4 denies the request of another VM, as if it did not exist', async () => {
    const { body } = await stand.guest(mark42).call('POST', '/guest/v1/login-requests', login)
    const other = stand.guest(mark43)
    for (const [method, path, sent] of [
      ['GET', `/guest/v1/login-requests/${String(body['id'])}`, undefined],
      ['GET', `/guest/v1/login-requests/${String(body['id'])}/refusal`, undefined],
      ['POST', `/guest/v1/login-requests/${String(body['id'])}/reply`, { reply: 'A' }],
    ] as const) {
      const answer = await other.call(method, path, sent)
      assert.deepEqual([answer.status, answer.body['code']], [404, 'not-found'])
    }
  })

  test('refuses bad bodies, large ones, unknown calls; nothing of a reply is an internal text', async () => {
    const guest = stand.guest(mark42)
    const wrong = [
      null,
      [],
      'x',
      {},
      { ...login, nonce: 'AB'.repeat(16) },
      { ...login, user: 'Owner' },
      { ...login, user: 'a b' },
      { ...login, source: '10.0.2.2\n' },
      { ...login, source: 'x;y' },
      { ...login, more: 1 },
    ]
    for (const body of wrong) {
      const answer = await guest.call('POST', '/guest/v1/login-requests', body)
      assert.deepEqual([answer.status, answer.body['code']], [400, 'bad-input'], JSON.stringify(body))
    }
    assert.equal(
      (await guest.call('POST', '/guest/v1/login-requests', undefined, { raw: Buffer.from('{"nonce":') })).body['code'],
      'bad-input',
    )
    assert.equal(
      (await guest.call('POST', '/guest/v1/login-requests', undefined, { raw: Buffer.alloc(16 * 1024 + 1, 32) })).status,
      413,
    )
    for (const path of ['/', '/v1/vms', '/guest/v1/login-requests/../presence', '/guest/v1/login-requests/x']) {
      assert.equal((await guest.call('GET', path)).body['code'], 'not-found', path)
    }
    assert.deepEqual(
      stand.base.lines.filter((l) => l.includes('failed')),
      [],
    )
  })

  test('A3 *Not me* reaches the terminal that waits at once, also after the signature, and nothing else does', async () => {
    const guest = stand.guest(mark42)
    const begin = async () => (await guest.call('POST', '/guest/v1/login-requests', login)).body as { id: string; code: string }
    const refusal = (id: string) => guest.call('GET', `/guest/v1/login-requests/${id}/refusal`)
    const first = await begin()
    const asked = refusal(first.id)
    await stand.signIn.refuse(first.code, '127.0.0.1')
    assert.deepEqual((await asked).body, { state: 'refused' })
    assert.deepEqual((await refusal(first.id)).body, { state: 'refused' })

    const second = await begin()
    let settled = false
    const watched = refusal(second.id).finally(() => (settled = true))
    await stand.approve(second.code, '127.0.0.1')
    // another call goes all the way there and back meanwhile
    await guest.call('GET', '/guest/v1/presence')
    assert.equal(settled, false, 'a signature is no refusal')
    assert.equal(stand.signIn.open(second.code).state.kind, 'approved', 'asking has released nothing')
    await stand.signIn.refuse(second.code, '127.0.0.1')
    assert.deepEqual((await watched).body, { state: 'refused' })

    const third = await begin()
    const until = refusal(third.id)
    await stand.approve(third.code, '127.0.0.1')
    assert.equal((await guest.call('GET', `/guest/v1/login-requests/${third.id}`)).body['state'], 'approved')
    assert.deepEqual((await until).body, { state: 'over' })
  })

  test('a sign-in from the terminal to the shell: waits, is approved, tells signature and statement', async () => {
    const guest = stand.guest(mark42)
    const begun = await guest.call('POST', '/guest/v1/login-requests', login)
    assert.equal(begun.status, 201)
    assert.deepEqual(Object.keys(begun.body), ['id', 'code', 'url', 'origin', 'issuedAt', 'expiresAt'])
    assert.match(String(begun.body['code']), /^[0-9A-Z]{4}-[0-9A-Z]{4}$/)
    assert.equal(begun.body['url'], `http://localhost:8080/s/${String(begun.body['code']).replace('-', '')}`)
    const polled = guest.call('GET', `/guest/v1/login-requests/${String(begun.body['id'])}`)
    // the host's own loopback forward counts as loopback
    assert.equal((await stand.approve(String(begun.body['code']), '127.0.0.1')).state, 'approved')
    const { body } = await polled
    assert.equal(body['state'], 'approved')
    assert.deepEqual(Object.keys(body), ['state', 'signature', 'signer', 'statement'])
    assert.deepEqual(Object.keys(body['statement'] as object).sort(), [
      'act',
      'activeUntil',
      'blockHash',
      'blockNumber',
      'entitlement',
      'holder',
      'nonce',
      'signature',
      'signer',
      'textSha256',
      'verifiedBy',
    ])
  })

  test('A4 from another address nothing is released before the reply code', async () => {
    const guest = stand.guest(mark42)
    const { body } = await guest.call('POST', '/guest/v1/login-requests', { ...login, source: '203.0.113.7' })
    const path = `/guest/v1/login-requests/${String(body['id'])}`
    const { replyCode } = await stand.approve(String(body['code']), '198.51.100.7')
    assert.deepEqual((await guest.call('GET', path)).body, { state: 'needs-reply', triesLeft: 3 })
    assert.deepEqual((await guest.call('POST', `${path}/reply`, { reply: 'AAAA-AAAA' })).body, {
      state: 'needs-reply',
      triesLeft: 2,
    })
    assert.equal((await guest.call('POST', `${path}/reply`, { reply: replyCode })).body['state'], 'approved')
  })

  test('L5 presence: at once if it differs, within a moment when the pass moves', async () => {
    const guest = stand.guest(mark42)
    const now = await guest.call('GET', '/guest/v1/presence')
    assert.deepEqual(Object.keys(now.body), ['holder', 'activeUntil', 'blockNumber', 'reason'])
    const known = `/guest/v1/presence?holder=${String(now.body['holder'])}&active=true`
    assert.equal((await guest.call('GET', known.replace('true', 'false'))).status, 200)
    let answered = false
    const polled = guest.call('GET', known).finally(() => (answered = true))
    await guest.call('GET', '/guest/v1/presence')
    assert.equal(answered, false)
    stand.base.chain.set({ holder: '0x000000000000000000000000000000000000dead' })
    assert.equal((await polled).body['holder'], '0x000000000000000000000000000000000000dead')
    stand.base.chain.set({ expiresAt: stand.base.chain.heads.latest.timestamp })
    const over = (await guest.call('GET', '/guest/v1/presence')).body
    assert.equal(over['activeUntil'], null)
    assert.match((over['reason'] as { text: string }).text, /^The subscription ended on /)
    stand.base.chain.set({})
  })

  test('T4 presence on a stale chain is no answer', async () => {
    stand.base.chain.heads = { ...stand.base.chain.heads, stale: true }
    const { status, body } = await stand.guest(mark42).call('GET', '/guest/v1/presence')
    assert.deepEqual([status, body['code']], [503, 'chain-stale'])
    stand.base.chain.heads = { ...stand.base.chain.heads, stale: false }
  })

  test('P8 the flood of one guest is refused, and no other feels it', async () => {
    const flooding = stand.guest(mark42)
    // more than may be begun in five minutes, so that a slow machine meets a limit too
    const answers = []
    for (let round = 0; round < 16; round += 1) {
      answers.push(
        ...(await Promise.all(Array.from({ length: 50 }, () => flooding.call('POST', '/guest/v1/login-requests', login)))),
      )
    }
    assert.ok(answers.some((a) => a.status === 429))
    const others = answers.map((a) => a.status).filter((status) => status !== 429 && status !== 201)
    assert.deepEqual(others, [])
    const quiet = stand.guest(mark43)
    assert.equal((await quiet.call('POST', '/guest/v1/login-requests', login)).status, 201)
  })

  test('P6 no secret, token, signature or address of a wallet is in the log', () => {
    const text = stand.base.lines.join('\n')
    for (const secret of [
      vmSecret(stand.secrets.master, mark42),
      stand.token(mark42).split('.')[1] ?? '',
      holder.address.slice(2, 20),
    ]) {
      assert.doesNotMatch(text, new RegExp(secret, 'i'))
    }
  })
})

suite('the login endpoint of an installed host', () => {
  let stand: Stand
  before(async () => {
    stand = await new Stand().start('installed')
    await stand.base.putVm({ ipv4: '127.0.0.42', sshPort: null })
  })
  after(() => stand.stop())

  test("L4 a VM's secret works from that VM's address only", async () => {
    const stolen = stand.guest(mark42)
    stolen.from = '127.0.0.43'
    assert.equal((await stolen.call('GET', '/guest/v1/presence')).status, 401)
    const own = stand.guest(mark42)
    own.from = '127.0.0.42'
    assert.equal((await own.call('GET', '/guest/v1/presence')).status, 200)
  })

  test('200 people from 25 addresses wait at one VM at once, each on two connections, and all get in', async () => {
    const { requests } = stand.signIn
    const waiting = { answers: new Set(), refusals: new Set() }
    const allWait = Promise.withResolvers<void>()
    const enters = (who: Set<unknown>, id: unknown) => {
      who.add(id)
      if (waiting.answers.size === 200 && waiting.refusals.size === 200) allWait.resolve()
    }
    const { settled, ended } = requests
    requests.settled = (...asked) => (enters(waiting.answers, asked[0]), settled(...asked))
    requests.ended = (...asked) => (enters(waiting.refusals, asked[0]), ended(...asked))
    const own = stand.guest(mark42)
    own.from = '127.0.0.42'
    const source = (i: number) => `198.51.100.${i % 25}`
    const begun = await Promise.all(
      Array.from({ length: 200 }, (_, i) => own.call('POST', '/guest/v1/login-requests', { ...login, source: source(i) })),
    )
    assert.deepEqual(new Set(begun.map(({ status }) => status)), new Set([201]))
    const paths = begun.map(({ body }) => `/guest/v1/login-requests/${String(body['id'])}`)
    /** Asks until it is told more than that nothing has happened, as a terminal does. A refused call ends a login for good. */
    const told = async (path: string): Promise<unknown> => {
      for (;;) {
        const { status, body } = await own.call('GET', path)
        assert.equal(status, 200, path)
        if (body['state'] !== 'waiting' && body['state'] !== 'open') return body['state']
      }
    }
    const refusals = Promise.all(paths.map((path) => told(`${path}/refusal`)))
    const answers = Promise.all(paths.map(told))
    await Promise.race([allWait.promise, refusals, answers])
    assert.deepEqual([waiting.refusals.size, waiting.answers.size], [200, 200])
    for (const [i, { body }] of begun.entries()) {
      assert.equal((await stand.approve(String(body['code']), source(i))).state, 'approved')
    }
    assert.deepEqual(new Set(await answers), new Set(['approved']))
    assert.deepEqual(new Set(await refusals), new Set(['over']))
    Object.assign(requests, { settled, ended })
  })

  test('A4 the gateway of user networking is no loopback here', async () => {
    const own = stand.guest(mark42)
    own.from = '127.0.0.42'
    const { body } = await own.call('POST', '/guest/v1/login-requests', login)
    assert.equal((await stand.approve(String(body['code']), '127.0.0.1')).state, 'needs-reply')
  })
})
