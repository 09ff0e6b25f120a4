import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { vmSchema, type VmView } from '@freehold/appliance/api/schemas/vms'
import { loginRequestSchema } from '@freehold/appliance/api/schemas/sign-in'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import { createClient, type ApiClient } from '@freehold/appliance/cli/client'
import { approve, sendReply, signIn } from '@freehold/appliance/cli/session'
import { keyFilesOf } from '@freehold/appliance/cli/key-folder'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { taskSchema } from '@freehold/appliance/api/schemas/tasks'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { sshLogin, type SshLoginResult } from '@freehold/appliance/dev/ssh-login'
import { until } from '@freehold/appliance/dev/supervisor'
import { run } from '@freehold/appliance/hypervisor/libvirt/run'
import { z } from 'zod'
import { startStand, type EmbeddedStand } from '../stands/embedded.ts'
import { leftOvers } from '../stands/left-overs.ts'

const buyer = 4
const nextHolder = 5
const stranger = 6
// a reinstall is one more boot of a guest
const all = process.env['FREEHOLD_ALL'] === '1'

suite('the life of one subscription, on a real guest', () => {
  let stand: EmbeddedStand
  let vmId = ''

  before(async () => {
    stand = await startStand({ pages: false, hypervisor: 'libvirt' })
  })
  after(async () => {
    await stand?.stop()
  })

  async function signedIn(index: number): Promise<ApiClient> {
    const client = createClient({ url: stand.origin })
    const { origin, now } = await client.call(statusSchema, 'GET', '/v1/status')
    await signIn(client, walletOf(devWallet(index)), origin, now)
    return client
  }
  async function vmOf(index: number): Promise<VmView> {
    return await (await signedIn(index)).call(vmSchema, 'GET', `/v1/vms/${vmId}`)
  }
  async function freehold(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await stand.freehold(...args)
    assert.equal(code, 0, `freehold ${args.join(' ')}: ${stderr}`)
    return stdout
  }
  async function stateBecomes(index: number, wanted: string, seconds: number): Promise<void> {
    await until(`${vmId} to be ${wanted}`, seconds, async () => (await vmOf(index)).state === wanted, 500)
  }

  /** ssh as the stock client does it; `by` approves, then Enter. Refused approvals end the login by *Not me*. */
  async function login(vm: VmView, by: number, command: string[]): Promise<SshLoginResult & { refusal: string | null }> {
    assert.ok(vm.ssh !== null, 'the VM shows no ssh line')
    let refusal: string | null = null
    const result = await sshLogin({
      ...vm.ssh,
      command,
      async onUrl(url) {
        const client = createClient({ url: stand.origin })
        const code = new URL(url).pathname.slice(3)
        const view = await client.call(loginRequestSchema, 'GET', `/v1/login-requests/${code}`)
        try {
          return (await approve(client, view, walletOf(devWallet(by)), stand.origin)).replyCode ?? ''
        } catch (error) {
          refusal = (error as { code?: string }).code ?? 'unknown'
          await client.call(z.unknown(), 'POST', `/v1/login-requests/${code}/refusal`, {
            body: {},
            headers: { 'idempotency-key': code.repeat(2) },
          })
        }
      },
      onPrompt: async () => '',
      // one of them stands until the pass moves
      timeoutSeconds: 600,
    })
    return { ...result, refusal }
  }

  test('M4 S6 bought with a wallet, made as the plan says, activated when it can be used', async () => {
    const purchase = z
      .object({ vmId: z.string(), state: z.literal('ready') })
      .parse(JSON.parse(await freehold('--json', '--dev-wallet', String(buyer), 'buy', 'Small', '--for', '8d')))
    vmId = purchase.vmId
    const vm = await vmOf(buyer)
    assert.equal(vm.state, 'running')
    assert.deepEqual([vm.vcpus, vm.memoryMiB, vm.diskGiB], [1, 512, 4])
    assert.equal(vm.subscription.expiresAt, vm.subscription.activatedAt + 8 * 86_400)
  })

  test('T1 T2 the holder logs in with stock ssh, a signature and one Enter', async () => {
    const result = await login(await vmOf(buyer), buyer, ['uname -s; id -un; echo kept > ~/kept; sync'])
    assert.equal(result.exitCode, 0, result.screen)
    assert.match(result.stdout, /Linux\nowner/)
  })

  test('L7 denies another wallet', async () => {
    const result = await login(await vmOf(buyer), stranger, ['true'])
    assert.equal(result.refusal, 'wrong-wallet')
    assert.notEqual(result.exitCode, 0)
  })

  test('L3 L5 L6 S12 T6 the pass moves: the open session ends and says why, the old holder is out, the new one is in', async () => {
    const vm = await vmOf(buyer)
    const to = devWallet(nextHolder).address
    // a session that stands while the pass moves
    const standing = login(vm, buyer, ['touch ~/in; sleep 900'])
    await until(
      'the standing session',
      90,
      async () => (await login(vm, buyer, ['ls ~/in 2> /dev/null || true'])).stdout.includes('/in'),
      500,
    )
    await freehold('--dev-wallet', String(buyer), 'transfer', vmId, to, '--confirm', to)
    // the command ends when the move is deep enough to count, which is after the block that is newest now
    const moved = performance.now()
    const ended = await standing
    // a bound in time is measured where nothing else runs
    if (all) assert.ok(performance.now() - moved < 30_000, 'within 30 s')
    assert.notEqual(ended.exitCode, 0)
    assert.match(ended.screen, /access pass has moved to another wallet/)
    const old = await login(vm, buyer, ['true'])
    assert.equal(old.refusal, 'wrong-wallet')
    assert.notEqual(old.exitCode, 0)
    const fresh = await login(await vmOf(nextHolder), nextHolder, ['cat ~/kept'])
    assert.equal(fresh.exitCode, 0, fresh.screen)
    assert.match(fresh.stdout, /kept/)
  })

  /** An act of the holder at the VM, under a signature of its own where it needs one; resolves once the task is through. */
  async function act(index: number, action: 'snapshot' | 'reinstall', signed: boolean): Promise<void> {
    const client = await signedIn(index)
    const once = (): Record<string, string> => ({ 'idempotency-key': randomBytes(16).toString('hex') })
    const nonce = randomBytes(16).toString('hex')
    let requestId: string | undefined
    if (signed) {
      const body = { act: action, vmId, nonce }
      const asked = await client.call(loginRequestSchema, 'POST', '/v1/login-requests', { body, headers: once() })
      const { state, replyCode } = await approve(client, asked, walletOf(devWallet(index)), stand.origin)
      if (state === 'needs-reply') await sendReply(client, asked, nonce, replyCode ?? '')
      requestId = asked.requestId
    }
    const task = await client.call(taskSchema, 'POST', `/v1/vms/${vmId}/actions`, {
      body: { action, ...(requestId !== undefined && { requestId }) },
      headers: { ...once(), 'freehold-nonce': nonce },
    })
    await until(`the ${action}`, 600, async () => {
      const { state, error } = await client.call(taskSchema, 'GET', `/v1/tasks/${task.taskId}`)
      assert.notEqual(state, 'failed', JSON.stringify(error))
      return state === 'done'
    })
  }

  /** What stock ssh says that offers the certificate in `keys` alone, the present host key known. Fails if it has ended by its dates. */
  async function denied({ ssh }: VmView, keys: string): Promise<string> {
    assert.ok(ssh !== null)
    const files = keyFilesOf(keys, vmId)
    const known = join(keys, 'known_hosts')
    await writeFile(known, `${ssh.knownHostsLine}\n`)
    const { stdout } = await run('ssh-keygen', ['-L', '-f', files.certificate])
    const ends = Date.parse(/ to (\S+)/.exec(stdout)?.[1] ?? '')
    assert.ok(ends > Date.now(), `it would be denied for its dates: ${stdout}`)
    const options = ['BatchMode=yes', 'IdentitiesOnly=yes', `UserKnownHostsFile=${known}`, `CertificateFile=${files.certificate}`]
    const args = [
      '-F',
      '/dev/null',
      '-i',
      files.key,
      ...options.flatMap((o) => ['-o', o]),
      '-p',
      String(ssh.port),
      `owner@${ssh.host}`,
    ]
    const { code, stderr } = await run('ssh', [...args, 'true'], { timeoutMs: 120_000 })
    assert.equal(code, 255)
    return stderr
  }

  if (all) {
    test('L5 S13 reinstalled by its new holder: same place, nothing of the former generation left, nothing of it opens anything', async () => {
      const keys = join(stand.stateFolder, 'keys')
      const byCertificate = (...more: string[]) =>
        stand.freehold('--dev-wallet', String(nextHolder), 'ssh', '--keys', keys, vmId, ...more)
      const before = await vmOf(nextHolder)
      assert.equal(before.formerHolder, devWallet(buyer).address.toLowerCase(), 'the new holder is told who was root')
      await act(nextHolder, 'snapshot', false)
      await until('the snapshot to be shown', 120, async () => (await vmOf(nextHolder)).snapshots.length === 1, 500)
      const { stdout: secret } = await byCertificate('sudo cat /etc/freehold/secret')
      assert.match(secret, /\S{40}/)
      const presence = (): Promise<number> =>
        presenceWith(stand, `${vmId.replace('-', '/')}/${before.generation}.${secret.trim()}`)
      assert.equal(await presence(), 200, 'the secret is good')

      await act(nextHolder, 'reinstall', true)
      const shown = async () =>
        (await vmOf(nextHolder)).state === 'running' && (await vmOf(nextHolder)).generation > before.generation
      await until('the reinstalled VM to be shown', 300, shown, 500)
      const after = await vmOf(nextHolder)
      assert.equal(after.generation, before.generation + 1)
      assert.deepEqual([after.hostname, after.addresses], [before.hostname, before.addresses])
      assert.notEqual(after.ssh?.hostKeyFingerprint, before.ssh?.hostKeyFingerprint)
      assert.deepEqual([after.snapshots, after.formerHolder], [[], null])
      assert.equal(await presence(), 401, 'a secret of the former generation')
      assert.match(await denied(after, keys), /Permission denied/, 'a certificate of the former generation')
      const fresh = await login(after, nextHolder, ['ls ~/kept || echo kept > ~/kept; sync'])
      assert.match(fresh.stdout, /No such file/)
    })
  }

  test('E12 it expires: suspended, kept, and nobody logs in', async () => {
    await freehold('dev', 'advance', '8d')
    await stateBecomes(nextHolder, 'suspended', 150)
    const vm = await vmOf(nextHolder)
    assert.equal(vm.subscription.entitlement, 'grace')
    // while it still shuts down the terminal asks, and the approval of the holder itself is refused; afterwards nothing answers
    const refused = await login(vm, nextHolder, ['true'])
    assert.notEqual(refused.exitCode, 0)
    assert.ok(refused.refusal === null || refused.refusal === 'not-entitled', `refused with ${refused.refusal}`)
  })

  test('E5 extended out of suspension: running again, with its data', async () => {
    await freehold('--dev-wallet', String(nextHolder), 'extend', vmId, '--for', '2d')
    await stateBecomes(nextHolder, 'running', 180)
    const vm = await vmOf(nextHolder)
    await until('sshd', 120, async () => (await login(vm, nextHolder, ['cat ~/kept'])).stdout.includes('kept'), 2000)
  })

  test('E6 grace over: a day later ended on chain, destroyed when that is final, nothing left behind', async () => {
    await freehold('dev', 'advance', '2d')
    await stateBecomes(nextHolder, 'suspended', 150)
    await freehold('dev', 'advance', '8d')
    // seen past its grace, and still there: our own clock has to see it for 24 h
    await until('the grace to be over', 60, async () => (await vmOf(nextHolder)).subscription.entitlement === 'graceOver', 500)
    assert.notDeepEqual(await leftOvers(stand, vmId), [])
    const ended = async () => (await vmOf(nextHolder).catch(() => undefined))?.subscription.entitlement !== 'graceOver'
    await freehold('dev', 'advance', '20h')
    await assert.rejects(until('an end before 24 h', 8, ended, 500), { code: 'timed-out' })
    // the 24 h begin with the pass that saw it first, which may have come after the first of these
    for (let days = 0; days < 2 && !(await ended()); days++) {
      await freehold('dev', 'advance', '25h')
      await until('the end on chain', 30, ended, 500).catch(() => undefined)
    }
    assert.ok(await ended(), 'it was not ended on chain')
    await freehold('dev', 'advance', '1m')
    await until('its destruction', 120, async () => (await leftOvers(stand, vmId)).length === 0, 500)
  })
})

/** Status with which the guests' login endpoint answers somebody who has this secret. */
function presenceWith(stand: EmbeddedStand, secret: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const [host = '', port = ''] = stand.embedded.config.listen.login.split(':')
  const headers = { authorization: `Bearer ${secret}` }
  // whose key it is was checked by the guest itself
  const call = request({ host, port, path: '/guest/v1/presence', headers, rejectUnauthorized: false }, (response) => {
    response.resume()
    resolve(response.statusCode ?? 0)
  })
  call.on('error', reject)
  call.end()
  return promise
}
