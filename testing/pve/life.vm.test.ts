import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import getPort from 'get-port'
import { loginRequestSchema } from '@freehold/appliance/api/schemas/sign-in'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import { vmSchema, type VmView } from '@freehold/appliance/api/schemas/vms'
import { parseVmId } from '@freehold/appliance/chain/installation'
import { createClient } from '@freehold/appliance/cli/client'
import { approve, signIn } from '@freehold/appliance/cli/session'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { buildTemplate, checkout } from '@freehold/appliance/dev/builds'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { startEmbedded, type Embedded } from '@freehold/appliance/dev/embedded'
import { sshLogin } from '@freehold/appliance/dev/ssh-login'
import { until } from '@freehold/appliance/dev/supervisor'
import { domainNameOf } from '@freehold/appliance/hypervisor/names'
import { z } from 'zod'
import { runFreehold } from '../stands/embedded.ts'
import { createQemuMachines } from './qemu-machines.ts'
import { openStand, type Stand } from './stand.ts'

const buyer = 4
const stranger = 6
/** Limits, no expectations: guests are under TCG, on a machine that may be busy with everything else. */
const patience = 600
/** Three nodes, one of which goes down in the middle, take some minutes more. */
const nodes = process.env['FREEHOLD_ALL'] === '1' ? ['pve1', 'pve2', 'pve3'] : ['pve1']

/** Buy, clone, boot, log in, suspend, end, destroy: the whole product over the stand-in, with a real guest. */
suite('the life of one subscription on Proxmox, on a real guest', () => {
  let stand: Stand
  let embedded: Embedded
  let stateFolder = ''
  let vmId = ''

  before(async () => {
    stand = await openStand({ nodes, machines: createQemuMachines(mkdtempSync('/tmp/pvel-')), pace: 0.02 })
    stateFolder = await mkdtemp('/tmp/fh-')
    const [web, rpc, login] = [
      await getPort({ host: '127.0.0.1' }),
      await getPort({ host: '127.0.0.1' }),
      await getPort({ host: '127.0.0.1' }),
    ]
    await writeFile(join(stateFolder, 'ca.pem'), stand.authority.pem)
    const privilegedTokenFile = join(stateFolder, 'privileged')
    await writeFile(privilegedTokenFile, `${stand.rootToken.id}=${stand.rootToken.secret}`, { mode: 0o600 })
    const hypervisor = {
      kind: 'proxmox',
      nodes: nodes.map((name) => ({ url: `https://127.0.0.1:${stand.servers.get(name)?.port}`, name })),
      authorityFile: join(stateFolder, 'ca.pem'),
      tokenFile: join(stateFolder, 'token'),
      diskStorage: 'local',
      // setup itself enrols, as `freehold apply` does
      enrolment: { privilegedTokenFile, operatorNetworks: ['192.0.2.0/24'] },
      guestsReachHostAt: `10.0.2.2:${login}`,
    }
    const answers = (await readFile(join(checkout, 'scripts/embedded.yaml'), 'utf8'))
      .replace('http://localhost:8080', `http://localhost:${web}`)
      .replace('http://127.0.0.1:8545', `http://127.0.0.1:${rpc}`)
      .replace(/^hypervisor:\n(?: .*\n)*/m, `hypervisor: ${JSON.stringify(hypervisor)}\nlisten:\n  login: 127.0.0.1:${login}\n`)
    await buildTemplate(() => undefined)
    embedded = await startEmbedded({
      stateFolder,
      answers,
      answersFile: 'answers.yaml',
      pages: undefined,
      report: () => undefined,
    })
    await embedded.setUp(() => undefined)
  })
  after(async () => {
    await embedded?.stop()
    await stand?.close()
    await rm(stateFolder, { recursive: true, force: true })
  })

  async function freehold(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runFreehold(['--host', embedded.origin, '--state', stateFolder, ...args], stateFolder)
    assert.equal(code, 0, `freehold ${args.join(' ')}: ${stderr}`)
    return stdout
  }
  async function vmOf(index: number): Promise<VmView> {
    const client = createClient({ url: embedded.origin })
    const { origin, now } = await client.call(statusSchema, 'GET', '/v1/status')
    await signIn(client, walletOf(devWallet(index)), origin, now)
    return await client.call(vmSchema, 'GET', `/v1/vms/${vmId}`)
  }
  const stateBecomes = (wanted: string, seconds: number) =>
    until(`${vmId} to be ${wanted}`, seconds, async () => (await vmOf(buyer)).state === wanted, 500)
  const inWorld = () => {
    const parsed = parseVmId(vmId)
    return [...stand.world.vms.values()].filter((vm) => parsed !== undefined && vm.config['name'] === domainNameOf(parsed))
  }

  async function login(
    by: number,
    command: string,
  ): Promise<{ exitCode: number | null; stdout: string; screen: string; refusal: string | null }> {
    const vm = await vmOf(buyer)
    assert.ok(vm.ssh !== null, 'the VM shows no ssh line')
    let refusal: string | null = null
    const result = await sshLogin({
      ...vm.ssh,
      command: [command],
      async onUrl(url) {
        const client = createClient({ url: embedded.origin })
        const code = new URL(url).pathname.slice(3)
        const view = await client.call(loginRequestSchema, 'GET', `/v1/login-requests/${code}`)
        try {
          return (await approve(client, view, walletOf(devWallet(by)), embedded.origin)).replyCode ?? ''
        } catch (error) {
          refusal = (error as { code?: string }).code ?? 'unknown'
          const headers = { 'idempotency-key': code.repeat(2) }
          await client.call(z.unknown(), 'POST', `/v1/login-requests/${code}/refusal`, { body: {}, headers })
        }
      },
      onPrompt: async () => '',
    })
    return { ...result, refusal }
  }

  test('setup enrolled: our token alone is kept, the firewall is on, the credential is gone', async () => {
    assert.equal(stand.world.clusterFirewall.options['enable'], 1)
    assert.equal((await stat(join(stateFolder, 'token'))).mode & 0o777, 0o600)
    await assert.rejects(stat(join(stateFolder, 'privileged')), { code: 'ENOENT' })
  })

  test('bought with a wallet: cloned from the template, in our pool, firewall written, activated when it can be used', async () => {
    vmId = (
      JSON.parse(await freehold('--json', '--dev-wallet', String(buyer), 'buy', 'Small', '--for', '8d')) as { vmId: string }
    ).vmId
    assert.equal((await vmOf(buyer)).state, 'running')
    const [vm, ...more] = inWorld()
    assert.equal(more.length, 0)
    assert.equal(vm?.pool, 'freehold')
    assert.equal(vm?.firewall.options['ipfilter'], 1)
    assert.match(String(vm?.config['virtio0']), /base-\d+-disk-0\.qcow2\/\d+\/vm-/, 'a linked clone')
  })

  test('the holder logs in with stock ssh and a signature; another wallet is denied', async () => {
    const result = await login(buyer, 'uname -s; id -un; echo kept > ~/kept; sync')
    assert.equal(result.exitCode, 0, result.screen)
    assert.match(result.stdout, /Linux\nowner/)
    const other = await login(stranger, 'true')
    assert.equal(other.refusal, 'wrong-wallet')
    assert.notEqual(other.exitCode, 0)
  })

  if (nodes.length > 1) {
    test('its node goes down: nothing is destroyed or made again; back when the node returns', async () => {
      const [vm] = inWorld()
      assert.ok(vm !== undefined)
      await stand.setOnline(vm.node, false)
      const asked = stand.log.length
      // the daemon looks at the cluster again and again meanwhile
      await until(
        'some passes of the daemon',
        patience,
        async () => stand.log.slice(asked).filter((l) => l.path === '/cluster/resources').length > 2,
        500,
      )
      assert.deepEqual(inWorld(), [vm])
      assert.ok(stand.log.slice(asked).every((l) => l.verb !== 'DELETE' && !l.path.endsWith('/clone')))
      await stand.setOnline(vm.node, true)
      await stand.bootNode(vm.node)
      await until('sshd', patience, async () => (await login(buyer, 'cat ~/kept')).stdout.includes('kept'), 2000)
    })
  }

  test('it expires: suspended, kept; extended: running again, with its data, without its seed', async () => {
    await freehold('dev', 'advance', '8d')
    await stateBecomes('suspended', patience)
    // it is told as suspended while it still shuts down
    await until('its power to be off', patience, async () => inWorld()[0]?.power === 'stopped', 200)
    assert.equal(inWorld()[0]?.config['onboot'], 0)
    await freehold('--dev-wallet', String(buyer), 'extend', vmId, '--for', '2d')
    await stateBecomes('running', patience)
    await until('sshd', patience, async () => (await login(buyer, 'cat ~/kept')).stdout.includes('kept'), 2000)
    assert.equal(inWorld()[0]?.config['ide2'], 'none,media=cdrom')
  })

  test('grace over: ended on chain, destroyed, nothing left in the world', async () => {
    await freehold('dev', 'advance', '2d')
    await stateBecomes('suspended', patience)
    await freehold('dev', 'advance', '8d')
    await until('the grace to be over', patience, async () => (await vmOf(buyer)).subscription.entitlement === 'graceOver', 500)
    assert.equal(inWorld().length, 1)
    const ended = async () => (await vmOf(buyer).catch(() => undefined))?.subscription.entitlement !== 'graceOver'
    for (let days = 0; days < 3 && !(await ended()); days++) {
      await freehold('dev', 'advance', '25h')
      await until('the end on chain', 30, ended, 500).catch(() => undefined)
    }
    await freehold('dev', 'advance', '1m')
    await until('its destruction', patience, async () => inWorld().length === 0, 500).catch(async (error: unknown) => {
      const asked = stand.log.filter((l) => l.verb !== 'GET').slice(-10)
      const { subscription, state } = await vmOf(buyer)
      throw new Error(JSON.stringify([asked, state, subscription.entitlement]), { cause: error })
    })
    assert.deepEqual(
      [...stand.world.volumes.values()].filter(
        (v) => v.volid.includes(vmId) || (v.vmid !== undefined && !stand.world.vms.has(v.vmid)),
      ),
      [],
    )
  })
})
