import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { presenceOfCertificate } from '../sign-in/certificates/certificate-presence.ts'
import { parseHostKey, type HostKey } from '../sign-in/host-key.ts'
import { holder, otherWallet, testHostKey, testInstallation } from '../sign-in/test-stand.ts'
import type { CertificateView } from './schemas/ssh-certificates.ts'
import type { LoginRequestView } from './schemas/sign-in.ts'
import { apiStand, approvalOf, type Answer, type ApiStand, type TestClient } from './test-stand.ts'

const run = promisify(execFile)
const here = '203.0.113.7'
const nonce = 'c0'.repeat(16)
const stranger = otherWallet.address.toLowerCase() as `0x${string}`

suite('SSH certificates', () => {
  let stand: ApiStand
  let vmId = ''
  let folder = ''
  let [key, otherKey]: HostKey[] = []
  let client: TestClient

  before(async () => {
    stand = await apiStand()
    folder = await mkdtemp(join(tmpdir(), 'fh-certificates-'))
    ;[key, otherKey] = await Promise.all(['a', 'b'].map((name) => newKey(name)))
  })
  beforeEach(async () => {
    stand.chain.heads = { ...stand.chain.heads, stale: false }
    stand.chain.set({})
    vmId = await stand.putVm()
    await stand.refresh()
    client = stand.client(`2001:db8:${(serial += 1).toString(16)}::7`)
  })
  after(async () => {
    await stand.close()
    await rm(folder, { recursive: true, force: true })
  })
  let serial = 0

  async function newKey(name: string): Promise<HostKey> {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(folder, name)])
    const parsed = parseHostKey((await readFile(join(folder, `${name}.pub`), 'utf8')).trim())
    assert.ok(parsed)
    return parsed
  }
  function fingerprint(of = key): string {
    return of?.fingerprint ?? ''
  }
  async function begin(act = `certificate:${fingerprint()}`, asker = client): Promise<LoginRequestView> {
    const begun = await asker.call('POST', '/v1/login-requests', { body: { act, vmId, nonce } })
    assert.equal(begun.status, 201, begun.text)
    return begun.body as unknown as LoginRequestView
  }
  async function approve(view: LoginRequestView, wallet = holder): Promise<Answer> {
    return await client.call('POST', `/v1/login-requests/${view.code}/approval`, { body: await approvalOf(view, wallet) })
  }
  function take(view: LoginRequestView, changes: object = {}, by = client): Promise<Answer> {
    return by.call('POST', '/v1/ssh-certificates', {
      body: { requestId: view.requestId, nonce, publicKey: key?.publicKey, ...changes },
    })
  }
  async function denied(answer: Promise<Answer>, status: number, code: string): Promise<Answer> {
    const got = await answer
    assert.deepEqual([got.status, got.body['code']], [status, code], got.text)
    assert.doesNotMatch(got.text, /cert-v01/)
    return got
  }
  function asksGuest(view: LoginRequestView, tokenId = 42n, generation = 1) {
    const { latestChain, outcomes } = stand.ports
    return presenceOfCertificate(
      { latestChain, outcomes },
      { installation: testInstallation, tokenId, generation },
      view.requestId,
    )
  }

  test('denies one before the VM has reported its host key: its text could not name the VM', async () => {
    await stand.putVm({ reported: false })
    await stand.refresh()
    const body = { act: `certificate:${fingerprint()}`, vmId, nonce }
    await denied(client.call('POST', '/v1/login-requests', { body }), 409, 'not-in-this-state')
  })
  test('denies one that no wallet has approved, and one that was refused', async () => {
    const view = await begin()
    await denied(take(view), 409, 'not-in-this-state')
    await client.call('POST', `/v1/login-requests/${view.code}/refusal`, { body: {} })
    await denied(take(view), 410, 'request-used')
  })
  test('denies a wallet that does not hold the pass', async () => {
    const view = await begin()
    await denied(approve(view, otherWallet), 403, 'wrong-wallet')
    await denied(take(view), 409, 'not-in-this-state')
  })
  test('denies another key than the one that was signed for', async () => {
    const view = await begin()
    assert.equal((await approve(view)).status, 200)
    await denied(take(view, { publicKey: otherKey?.publicKey }), 404, 'not-found')
    assert.equal((await take(view)).status, 201, 'the right key still gets it')
  })
  test('denies everybody but the asker, also at the same address', async () => {
    const view = await begin()
    assert.equal((await approve(view)).status, 200)
    await denied(take(view, { nonce: 'd0'.repeat(16) }), 404, 'not-found')
    await denied(take(view, { nonce: undefined }), 404, 'not-found')
    await denied(take(view, { nonce: view.nonce }), 404, 'not-found')
  })
  test('denies an approval of another act, whoever signed it', async () => {
    for (const act of ['console', 'reinstall', 'rollback']) {
      const view = await begin(act)
      assert.equal((await approve(view)).status, 200)
      await denied(take(view), 404, 'not-found')
    }
  })
  test('denies a second certificate for one signature', async () => {
    const view = await begin()
    await approve(view)
    assert.equal((await take(view)).status, 201)
    await denied(take(view), 410, 'request-used')
  })
  test('denies a key that is no Ed25519 line, and lines that hide a second one', async () => {
    const view = await begin()
    await approve(view)
    for (const publicKey of [
      '',
      'ssh-rsa AAAA',
      `${key?.publicKey}\n${otherKey?.publicKey}`,
      `cert-authority ${key?.publicKey}`,
      '-f x',
    ]) {
      await denied(take(view, { publicKey }), 400, 'bad-input')
    }
  })
  test('denies it after a transfer, an expiry, a reinstall, on a stale chain: looked up when it is made', async () => {
    const rows: [name: string, change: () => unknown, status: number, code: string][] = [
      ['transfer', () => stand.chain.set({ holder: stranger }), 403, 'wrong-wallet'],
      ['expiry', () => stand.chain.set({ expiresAt: stand.chain.heads.latest.timestamp }), 403, 'not-entitled'],
      ['end', () => stand.chain.set({ state: 'ended' }), 403, 'not-entitled'],
      ['reinstall', () => stand.putVm({ generation: 2 }), 410, 'request-used'],
      ['stale', () => (stand.chain.heads = { ...stand.chain.heads, stale: true }), 503, 'chain-stale'],
    ]
    for (const [, change, status, code] of rows) {
      stand.chain.heads = { ...stand.chain.heads, stale: false }
      stand.chain.set({})
      await stand.putVm()
      const view = await begin()
      assert.equal((await approve(view)).status, 200)
      await change()
      await denied(take(view), status, code)
    }
  })
  test('an approval from another address gives a reply code, and nothing before the asker has sent it back', async () => {
    const view = await begin()
    const far = stand.client(here)
    const body = await approvalOf(view, holder)
    const approved = await far.call('POST', `/v1/login-requests/${view.code}/approval`, { body })
    assert.equal(approved.body['state'], 'needs-reply', approved.text)
    await denied(take(view), 409, 'not-in-this-state')
    const headers = { 'freehold-nonce': nonce }
    const reply = await client.call('POST', `/v1/login-requests/${view.code}/reply`, {
      headers,
      body: { reply: approved.body['replyCode'] },
    })
    assert.equal(reply.body['state'], 'approved', reply.text)
    assert.equal((await take(view)).status, 201)
  })
  test('L9 gives the holder a certificate of this VM and generation alone, and says where the VM is', async () => {
    const view = await begin()
    assert.equal(view.user, 'owner')
    assert.equal(view.hostKey, testHostKey.fingerprint)
    await approve(view)
    const answer = await take(view)
    assert.equal(answer.status, 201, answer.text)
    const made = answer.body as unknown as CertificateView
    assert.equal(made.principal, `vm:${testInstallation}:42:1`)
    assert.equal(made.keyId, view.requestId)
    assert.equal(made.validBefore - made.validAfter, 600)
    assert.equal(made.ssh.hostKeyFingerprint, testHostKey.fingerprint)
    await writeFile(join(folder, 'made-cert.pub'), `${made.certificate}\n`)
    const { stdout } = await run('ssh-keygen', ['-L', '-f', join(folder, 'made-cert.pub')])
    assert.ok(stdout.includes(made.principal) && stdout.includes(fingerprint()), stdout)
    const kept = await stand.store.audit.list({ target: vmId })
    assert.deepEqual(
      [kept.items[0]?.what, kept.items[0]?.who, kept.items[0]?.result],
      ['ssh-certificate', holder.address.toLowerCase(), `key ${view.requestId}`],
    )
  })

  suite('what a guest is told of a certificate', () => {
    async function given(): Promise<LoginRequestView> {
      const view = await begin()
      await approve(view)
      assert.equal((await take(view)).status, 201)
      return view
    }
    test('denies one after the transfer, although the new holder is active', async () => {
      const view = await given()
      assert.equal((await asksGuest(view)).reason, null)
      stand.chain.set({ holder: stranger })
      const told = await asksGuest(view)
      assert.deepEqual([told.holder, told.activeUntil, told.reason?.code], [stranger, null, 'wrong-wallet'])
    })
    test('denies one after the end, and for another VM', async () => {
      const view = await given()
      assert.equal((await asksGuest(view, 43n)).activeUntil, null)
      assert.equal((await asksGuest(view, 42n, 2)).activeUntil, null, 'the next generation')
      stand.chain.set({ state: 'ended' })
      assert.equal((await asksGuest(view)).activeUntil, null)
    })
    test('denies key ids of no certificate: of other acts, of nothing, of no form', async () => {
      const other = await begin('console')
      await approve(other)
      for (const view of [other, { ...other, requestId: 'ef'.repeat(16) }, { ...other, requestId: "' or 1=1" }]) {
        const told = await asksGuest(view)
        assert.deepEqual([told.activeUntil, told.reason?.code], [null, 'not-found'])
      }
    })
    test('on a stale chain there is no answer', async () => {
      const view = await given()
      stand.chain.heads = { ...stand.chain.heads, stale: true }
      await assert.rejects(asksGuest(view), /chain-stale|does not know the present state/)
    })
  })
})
