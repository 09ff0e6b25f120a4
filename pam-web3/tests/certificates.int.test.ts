import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { doors, type Tried } from './doors.ts'
import { holder, secret, stranger, type LyingHost } from './lying-host.ts'
import { guestRoot, lyingStand } from './lying-stand.ts'
import { until, type Stand } from './stand.ts'

const run = promisify(execFile)
const active = { holder: holder.address.toLowerCase(), activeUntil: 1_900_000_000, blockNumber: 1, reason: null }
const own = 'vm:4eff3c5b1f35:42:1'
const keyId = '0123456789abcdef0123456789abcdef'
const question = `GET /guest/v1/presence?certificate=${keyId}`
const command = doors['a command']

// Certificates and plain keys against a real sshd: the guest's own (Debian 13), with FREEHOLD_ALL=1 also this machine's (Debian 12),
// which no guest has. L9.
const places: Record<string, () => Promise<string | undefined>> = {
  ...(process.env['FREEHOLD_ALL'] === '1' && { sshd: () => Promise.resolve(undefined) }),
  'Debian 13': guestRoot,
}
for (const [place, rootTar] of Object.entries(places)) {
  let stand: Stand
  let host: LyingHost
  let folder: string
  lyingStand((made, honest) => ([stand, host] = [made, honest]), rootTar)
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'freehold-keys-'))
    for (const name of ['key', 'other-ca']) {
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(folder, name)])
    }
  })
  beforeEach(async () => {
    await rm(join(folder, 'key-cert.pub'), { force: true })
    await rm(stand.authorizedKeys, { force: true })
  })
  after(() => rm(folder, { recursive: true, force: true }))
  const certify = async (
    principal: string,
    { validity = '-5m:+10m', ca = stand.userCa, id = keyId, more = [] as string[] } = {},
  ) => await run('ssh-keygen', ['-q', '-s', ca, '-I', id, '-n', principal, '-V', validity, ...more, join(folder, 'key.pub')])
  const login = (door = command): Promise<Tried> => {
    assert.ok(door)
    return door(stand.port, ['-i', join(folder, 'key')])
  }
  /** `struck` is what sshd logs of it: the attack was made and got as far as this. */
  async function denied(reason: RegExp, struck: RegExp, door = command): Promise<void> {
    const logged = stand.log().length
    const { reached, shown, code } = await login(door)
    assert.equal(reached, false)
    assert.equal(code, 255, `${shown}\n${stand.log().slice(logged)}`)
    assert.match(shown, reason)
    await until(() => struck.test(stand.log().slice(logged)), `sshd to log ${struck}:\n${stand.log().slice(logged)}`, 5)
  }
  const refusedAtAccount = /Access denied for user owner by PAM account/
  const presences = () => host.calls.filter((call) => call === question).length

  // after the transfer: sshd ends the connection before any channel can be opened on it
  for (const [name, door] of Object.entries(doors)) {
    test(`${place}: denies ${name} to a certificate that the host does not vouch for, and opens it to one it does`, async () => {
      await certify(own)
      host.presence = {
        ...active,
        holder: null,
        activeUntil: null,
        reason: { code: 'not-entitled', text: 'The pass has moved.' },
      }
      await denied(/Denied: The pass has moved\./, refusedAtAccount, door)
      assert.equal(presences(), 1)
      host.presence = active
      const { reached, shown } = await login(door)
      assert.ok(reached, `${shown}\n${stand.log().slice(-1500)}`)
      assert.equal(presences(), 2, 'one question a login')
    })
  }
  test(`${place}: denies a certificate when the host does not answer clearly`, async () => {
    await certify(own)
    await denied(/Denied: The host does not know the present state\./, refusedAtAccount)
    assert.deepEqual(host.calls, [question])
    await stand.setFacts({ ...host.facts, endpoint: '127.0.0.1:1' }, secret)
    await denied(/Denied: host unreachable\./, refusedAtAccount)
  })
  test(`${place}: denies a certificate while the subscription is not active`, async () => {
    await certify(own)
    for (const [presence, reason] of [
      [
        { ...active, activeUntil: null, reason: { code: 'not-entitled', text: 'The subscription ended on 2026-11-20.' } },
        /Denied: The subscription ended on 2026-11-20\./,
      ],
      [{ ...active, holder: null }, /Denied: the subscription is not active\./],
      [{ ...active, holder: 'nobody' }, /Denied: the host's answer cannot be read\./],
      [{ ...active, more: 1 }, /Denied: the host's answer cannot be read\./],
    ] as const) {
      host.presence = presence
      await denied(reason, refusedAtAccount)
    }
    assert.equal(presences(), 4)
  })
  test(`${place}: denies the certificate of a former holder while the next one is active`, async () => {
    await certify(own)
    host.presence = { ...active, holder: stranger.address.toLowerCase() }
    const moved = { code: 'wrong-wallet', text: 'The access pass has moved on since this certificate was given.' }
    host.certificate = (id) => (id === keyId ? { ...host.presence, activeUntil: null, reason: moved } : host.presence)
    await denied(/Denied: The access pass has moved on since this certificate was given\./, refusedAtAccount)
    await certify(own, { id: 'ff'.repeat(16) })
    assert.ok((await login()).reached, "the next holder's own opens")
  })
  test(`${place}: denies a certificate whose key id the host never gave, asking nobody`, async () => {
    host.presence = active
    for (const id of ['request', 'AB'.repeat(16), '../../x', `${keyId}&active=true`, '-h', `${keyId} owner`]) {
      await certify(own, { id })
      await denied(/Permission denied/, /does not contain an authorized principal/)
    }
    assert.deepEqual(host.calls, [])
  })
  test(`${place}: denies certificates of another VM, generation, name, time, authority, address`, async () => {
    host.presence = active
    const otherPrincipal = /does not contain an authorized principal/
    for (const [principal, options, struck] of [
      ['vm:4eff3c5b1f35:43:1', {}, otherPrincipal],
      ['vm:4eff3c5b1f35:42:2', {}, otherPrincipal],
      ['vm:0eff3c5b1f35:42:1', {}, otherPrincipal],
      ['owner', {}, otherPrincipal],
      [own, { validity: '-20m:-10m' }, /Certificate invalid: expired/],
      [own, { validity: '+10m:+20m' }, /Certificate invalid: not yet valid/],
      [own, { ca: join(folder, 'other-ca') }, /Failed publickey .*ED25519-CERT/],
      [own, { more: ['-O', 'source-address=203.0.113.7/32'] }, /Failed publickey .*ED25519-CERT/],
    ] as const) {
      await certify(principal, { ...options, more: 'more' in options ? [...options.more] : [] })
      await denied(/Permission denied/, struck)
    }
    assert.deepEqual(host.calls, [])
  })
  test(`${place}: denies a certificate while the mark of its connection cannot be written`, async () => {
    await certify(own)
    host.presence = active
    await rm(stand.sessions, { recursive: true, force: true })
    await writeFile(stand.sessions, '')
    try {
      await denied(/Permission denied/, /AuthorizedPrincipalsCommand \S+ .*failed/)
      assert.deepEqual(host.calls, [])
    } finally {
      await rm(stand.sessions)
    }
  })
  test(`${place}: denies a certificate while the VM's facts are not root's alone`, async () => {
    await certify(own)
    host.presence = active
    await chmod(join(stand.config, 'guest.json'), 0o666)
    await denied(/Permission denied/, /guest\.json: Unsafe/)
    assert.deepEqual(host.calls, [])
    await chmod(join(stand.config, 'guest.json'), 0o644)
  })
  test(`${place}: L9 a certificate opens while its pass is held and active, and its mark goes with it`, async () => {
    host.presence = active
    await certify(own)
    const { reached, shown } = await login()
    assert.ok(reached, `${shown}\n${stand.log().slice(-1500)}`)
    await until(async () => (await readdir(stand.sessions)).length === 0, 'note and mark to go')
  })
  test(`${place}: a plain key of the holder's passes without a word to the host`, async () => {
    await copyFile(join(folder, 'key.pub'), stand.authorizedKeys)
    const { reached, shown } = await login()
    assert.ok(reached, `${shown}\n${stand.log().slice(-1500)}`)
    assert.deepEqual(host.calls, [])
  })
  test(`${place}: a plain key passes although the pass has moved, where no certificate is offered`, async () => {
    await copyFile(join(folder, 'key.pub'), stand.authorizedKeys)
    host.presence = { ...active, holder: stranger.address.toLowerCase() }
    assert.ok((await login()).reached)
  })
}
