import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { createLyingHost, holder, secret, type LyingHost } from './lying-host.ts'
import { createStand, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'
import { builtTemplate } from '../../template-vm/checks/built-template.ts'

const run = promisify(execFile)
const active = { holder: holder.address.toLowerCase(), activeUntil: 1_900_000_000, blockNumber: 1, reason: null }

const places: Record<string, () => Promise<string | undefined>> = {
  sshd: () => Promise.resolve(undefined),
  'Debian 13': async () => process.env['FREEHOLD_TEMPLATE_ROOT'] ?? (await builtTemplate()).root,
}
for (const [place, rootTar] of Object.entries(places)) {
  let stand: Stand
  let host: LyingHost
  let folder: string
  before(async () => {
    stand = await createStand(await rootTar())
    host = await createLyingHost(stand.fingerprint)
    folder = await mkdtemp(join(tmpdir(), 'freehold-keys-'))
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(folder, 'key')])
  })
  beforeEach(async () => {
    host?.reset()
    await stand?.setFacts(host.facts, secret)
    await rm(join(folder, 'key-cert.pub'), { force: true })
    await rm(stand.authorizedKeys, { force: true })
  })
  after(async () => {
    await host?.stop()
    await stand?.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const certify = async (principal: string, validity = '-5m:+10m') =>
    await run('ssh-keygen', ['-q', '-s', stand.userCa, '-I', 'request', '-n', principal, '-V', validity, join(folder, 'key.pub')])
  async function login(): Promise<{ code: number; shown: string }> {
    const args = ['-i', join(folder, 'key'), '-o', 'PreferredAuthentications=publickey']
    const terminal = new Terminal(stand.port, { args, command: ['echo in as $(id -un)'] })
    return { code: await terminal.exit(), shown: terminal.shown }
  }
  async function denied(reason?: RegExp): Promise<void> {
    const { code, shown } = await login()
    assert.ok(code === 255 || code === 254, shown)
    assert.doesNotMatch(shown, /in as/)
    if (reason !== undefined) assert.match(shown, reason)
  }

  test(`${place}: denies a certificate when the host does not answer clearly`, async () => {
    await certify('vm:4eff3c5b1f35:42:1')
    await denied(/Denied: The host does not know the present state\./)
    assert.deepEqual(host.calls, ['GET /guest/v1/presence'])
    await stand.setFacts({ ...host.facts, endpoint: '127.0.0.1:1' }, secret)
    await denied(/Denied: host unreachable\./)
  })
  test(`${place}: denies a certificate while the subscription is not active`, async () => {
    await certify('vm:4eff3c5b1f35:42:1')
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
      await denied(reason)
    }
  })
  test(`${place}: forwards nothing for a certificate that was denied`, async () => {
    await certify('vm:4eff3c5b1f35:42:1')
    const echo = createServer((socket) => socket.end('reached')).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    const port = (echo.address() as AddressInfo).port
    const through = async () => {
      const args = ['-i', join(folder, 'key'), '-o', 'PreferredAuthentications=publickey', '-W', `127.0.0.1:${port}`]
      const terminal = new Terminal(stand.port, { args })
      await terminal.exit()
      return terminal.shown
    }
    assert.doesNotMatch(await through(), /reached/)
    host.presence = active
    assert.match(await through(), /reached/)
    echo.close()
  })
  test(`${place}: denies certificates of another VM, another generation, another time`, async () => {
    host.presence = active
    for (const principal of ['vm:4eff3c5b1f35:43:1', 'vm:4eff3c5b1f35:42:2', 'owner']) {
      await certify(principal)
      await denied()
    }
    await certify('vm:4eff3c5b1f35:42:1', '-20m:-10m')
    await denied()
    assert.deepEqual(host.calls, [])
  })
  test(`${place}: L9 a certificate opens while its pass is held and active`, async () => {
    host.presence = active
    await certify('vm:4eff3c5b1f35:42:1')
    const { code, shown } = await login()
    assert.equal(code, 0, `${shown}\n${stand.log()}`)
    assert.match(shown, /in as owner/)
  })
  test(`${place}: a plain key of the holder's passes without a word to the host`, async () => {
    await copyFile(join(folder, 'key.pub'), stand.authorizedKeys)
    const { code, shown } = await login()
    assert.equal(code, 0, `${shown}\n${stand.log()}`)
    assert.match(shown, /in as owner/)
    assert.deepEqual(host.calls, [])
  })
}
