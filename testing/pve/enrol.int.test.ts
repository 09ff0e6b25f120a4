import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, suite, test, type TestContext } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { AppError } from '@freehold/appliance/errors/app-error'
import { testKey, testSpec } from '@freehold/appliance/hypervisor/contract-suite'
import { planEnrolment, runEnrolment } from '@freehold/appliance/hypervisor/proxmox/enrol/enrol'
import { grantsFor } from '@freehold/appliance/hypervisor/proxmox/enrol/rights'
import { verifyRights, verifyToken } from '@freehold/appliance/hypervisor/proxmox/enrol/verify'
import { bridge, storageId } from '@freehold/appliance/hypervisor/proxmox/formats'
import { openClient } from '@freehold/appliance/hypervisor/proxmox/open-client'
import { PveError } from '@freehold/appliance/hypervisor/proxmox/pve-error'
import { createProxmoxHypervisor, type ProxmoxHypervisor } from '@freehold/appliance/hypervisor/proxmox/proxmox-hypervisor'
import { enrol, enrolAnswers, openDriverStand, optionsFor, waysTo } from './driver-stand.ts'
import type { Fault } from './faults.ts'
import { findRoute } from './schema.ts'
import { openStand, type Stand } from './stand.ts'

const folder = mkdtempSync(join(tmpdir(), 'pve-enrol-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'template.qcow2')
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M'])
const template = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }

function privileged(t: TestContext, stand: Stand) {
  const client = openClient(waysTo(stand), stand.rootToken, systemClock)
  t.after(() => client.close())
  return client
}

const anotherTemplate = { path: join(folder, 'another.qcow2'), sha256: '' }
execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', anotherTemplate.path, '65M'])
anotherTemplate.sha256 = createHash('sha256').update(readFileSync(anotherTemplate.path)).digest('hex')

/** A vnet of the whole cluster, as an operator defines it. */
function addVnet(stand: Stand, { applied, nodes }: { applied: 0 | 1; nodes: string }): void {
  stand.world.zones.set('tenants', { zone: 'tenants', type: 'vxlan', nodes })
  stand.world.vnets.set('guests', { vnet: 'guests', zone: 'tenants', applied })
}

const scope = { ...enrolAnswers, nodes: ['pve1'], zone: 'localnetwork' }

/** What cuts an enrolment off: before the request is done, after it, and by the hop behind the proxy. */
const cuts: Record<string, Fault> = {
  'cut before': { kind: 'cut-before' },
  'cut after': { kind: 'cut-after' },
  'a broken pipe after its work': { kind: 'answer-after', status: 596, reason: 'Broken pipe', empty: true },
}

suite('Proxmox enrolment', () => {
  test('denies a bridge that is missing on one node, and names the node', async (t) => {
    const stand = await openStand({ nodes: ['pve1', 'pve2'] })
    t.after(() => stand.close())
    stand.world.nodes.get('pve2')?.bridges.delete('vmbr0')
    await assert.rejects(planEnrolment(privileged(t, stand), enrolAnswers), (error) => {
      assert.ok(error instanceof AppError && error.code === 'bridge-missing', String(error))
      assert.match(error.detail, /pve2\.$/)
      return true
    })
  })

  test('denies a vnet that was not applied, or whose zone leaves out a node, and names the nodes', async (t) => {
    const stand = await openStand({ nodes: ['pve1', 'pve2'] })
    t.after(() => stand.close())
    const client = privileged(t, stand)
    const answers = { ...enrolAnswers, bridge: bridge.parse('guests') }
    addVnet(stand, { applied: 0, nodes: '' })
    const refused = (nodes: string) => (error: unknown) => {
      assert.ok(error instanceof AppError && error.code === 'bridge-missing', String(error))
      assert.equal(error.detail, `The vnet guests of the zone tenants is not on ${nodes}.`)
      assert.match(error.hint, /pvesh set \/cluster\/sdn.*pvesh get \/cluster\/sdn\/zones\/tenants/)
      return true
    }
    await assert.rejects(planEnrolment(client, answers), refused('pve1, pve2'))
    addVnet(stand, { applied: 1, nodes: 'pve1' })
    await assert.rejects(planEnrolment(client, answers), refused('pve2'))
    assert.ok(stand.log.every((asked) => asked.verb === 'GET'))
  })

  test('a vnet: the right hangs on its own zone, VMs start on it, and a right that is taken away is named there', async (t) => {
    const stand = await openStand({ nodes: ['pve1', 'pve2'] })
    t.after(() => stand.close())
    addVnet(stand, { applied: 1, nodes: '' })
    const guests = bridge.parse('guests')
    const plan = await planEnrolment(privileged(t, stand), { ...enrolAnswers, bridge: guests })
    assert.equal(plan.zone, 'tenants')
    const token = await runEnrolment(plan, () => undefined)
    const driver = createProxmoxHypervisor({ ...optionsFor(stand, token), bridge: guests, zone: plan.zone })
    t.after(() => driver.close())
    await driver.importTemplate(template)
    await driver.create(testSpec(testKey(1n), template.sha256, 20_000))
    await driver.start(testKey(1n))
    const [vm] = [...stand.world.vms.values()].filter((one) => one.config['template'] !== 1)
    assert.deepEqual([vm?.power, String(vm?.config['net0']).endsWith(',bridge=guests,firewall=1')], ['running', true])
    const client = openClient(waysTo(stand), token, systemClock)
    t.after(() => client.close())
    // also where nothing was kept: the zone stands in the token's own rights
    for (const zone of [plan.zone, undefined])
      assert.deepEqual(await verifyToken(client, { ...enrolAnswers, bridge: guests, zone }), { missing: [], excess: [] })
    stand.access.roles.set('FreeholdNetwork', '')
    assert.deepEqual((await verifyToken(client, { ...enrolAnswers, bridge: guests, zone: plan.zone })).missing, [
      { path: '/sdn/zones/tenants/guests', privilege: 'SDN.Use' },
    ])
    await assert.rejects(driver.create(testSpec(testKey(2n), template.sha256, 20_001)), (error) => {
      assert.ok(error instanceof AppError && error.code === 'privilege-missing', String(error))
      assert.match(error.detail, /SDN\.Use/)
      return true
    })
  })

  test('denies a storage that is missing, or takes no disks, with the command that mends it', async (t) => {
    const stand = await openStand()
    t.after(() => stand.close())
    const client = privileged(t, stand)
    stand.world.addStorage({ id: 'isos', content: 'iso' })
    for (const [name, says] of [
      ['nosuch', /pvesm status/],
      ['isos', /pvesm set isos --content iso,images/],
    ] as const) {
      await assert.rejects(planEnrolment(client, { ...enrolAnswers, diskStorage: storageId.parse(name) }), (error) => {
        assert.ok(error instanceof AppError && error.code === 'storage-unsuitable', String(error))
        assert.match(error.hint, says)
        return true
      })
    }
  })

  test('denies to switch the firewall on without a rule for the operator, and leaves it off', async (t) => {
    const stand = await openStand()
    t.after(() => stand.close())
    const plan = await planEnrolment(privileged(t, stand), { ...enrolAnswers, operatorNetworks: [] })
    await assert.rejects(
      runEnrolment(plan, () => undefined),
      { code: 'bad-input' },
    )
    assert.equal(stand.world.clusterFirewall.options['enable'], undefined)
  })

  test('a plan changes nothing; the run makes it true; the next plan has only the token left', async (t) => {
    const stand = await openStand()
    t.after(() => stand.close())
    const client = privileged(t, stand)
    const before = stand.log.length
    const plan = await planEnrolment(client, enrolAnswers)
    assert.ok(stand.log.slice(before).every((asked) => asked.verb === 'GET'))
    assert.ok(plan.steps.every((step) => !step.done))
    await runEnrolment(plan, () => undefined)
    const again = await planEnrolment(client, enrolAnswers)
    const left = again.steps.filter((step) => !step.done).map((step) => step.what)
    // rights of a token go with it, so they are given anew
    assert.ok(
      left.every((what) => /^token |for freehold@pve!appliance$/.test(what)),
      left.join('\n'),
    )
    assert.equal(stand.world.clusterOptions['next-id'], 'lower=100,upper=10000')
    assert.equal(stand.world.clusterFirewall.options['enable'], 1)
    assert.equal(stand.world.clusterFirewall.rules[0]?.['source'], '192.0.2.0/24')
    await runEnrolment(again, () => undefined)
    assert.equal(stand.world.clusterFirewall.rules.length, 1)
  })

  for (const [kind, fault] of Object.entries(cuts)) {
    test(`${kind}, at every request in turn: told in words, nothing doubled, and the next enrolment completes it`, async (t) => {
      const stand = await openStand()
      const client = openClient(waysTo(stand), stand.rootToken, systemClock)
      await enrol(stand)
      const requests = stand.log.map(({ verb, path: asked }) => ({ verb, template: findRoute(verb, asked)?.template ?? '' }))
      client.close()
      await stand.close()
      const writes = requests.filter(({ verb }) => verb !== 'GET')
      assert.ok(writes.length > 20, `${writes.length} writes`)
      for (const [n, { verb, template: at }] of requests.entries()) {
        // an answer to a question is asked for again: what happens to it is in client.int.test.ts
        if (verb === 'GET') continue
        const skip = requests.slice(0, n).filter((one) => one.verb === verb && one.template === at).length
        await brokenOff(fault, verb, at, skip)
      }
      t.diagnostic(`${writes.length} requests`)
    })
  }

  test('a credential that stops being good in the middle is told as such, and the next one completes it', async (t) => {
    const stand = await openStand()
    t.after(() => stand.close())
    stand.faults.arm({ kind: 'answer', status: 401, reason: 'Authentication failed!', empty: true }, { method: 'PUT', skip: 3 })
    await assert.rejects(enrol(stand), (error) => error instanceof PveError && error.kind === 'unauthorized')
    assert.equal(stand.faults.struck.length, 1)
    await enrol(stand)
    assert.equal(stand.world.clusterFirewall.options['enable'], 1)
  })
})

/** One enrolment that is cut at the given request, then whole ones, looked at in the world. */
async function brokenOff(fault: Fault, method: string, template: string, skip: number): Promise<void> {
  const stand = await openStand()
  const where = `${method} ${template} #${skip + 1}`
  try {
    const at = new RegExp(`^${template.replace(/[{}]/g, '\\$&')}$`)
    stand.faults.arm(fault, { method, path: at, skip })
    await assert.rejects(enrol(stand), (error) => error instanceof PveError && error.kind === 'unknown-outcome', where)
    assert.equal(stand.faults.struck.length, 1, where)
    const token = await enrol(stand)
    const own = openClient(waysTo(stand), token, systemClock)
    assert.deepEqual(await verifyRights(own, scope), { missing: [], excess: [] }, where)
    own.close()
    // nothing stands there twice, and no half token is left
    const entries = stand.access.acl.map((entry) => `${entry.path} ${entry.ugid} ${entry.roleid}`)
    assert.equal(new Set(entries).size, entries.length, where)
    assert.deepEqual([...(stand.access.users.get('freehold@pve')?.tokens.keys() ?? [])], ['appliance'], where)
    assert.equal(stand.world.clusterFirewall.rules.length, 1, where)
    assert.deepEqual(
      [stand.world.clusterFirewall.options['enable'], stand.world.clusterOptions['next-id'], stand.world.pools.size],
      [1, 'lower=100,upper=10000', 1],
      where,
    )
  } finally {
    await stand.close()
  }
}

/** The verb that fails first without a privilege. VM.Snapshot.Rollback is none: the server takes VM.Snapshot in its place. */
const needs: Record<string, (driver: ProxmoxHypervisor) => Promise<unknown>> = {
  'VM.Audit': (d) => d.list(),
  'VM.Allocate': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'VM.Clone': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'VM.Config.CDROM': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'VM.Config.CPU': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'VM.Config.Disk': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'VM.Config.HWType': (d) => d.importTemplate(anotherTemplate),
  'VM.Config.Memory': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'VM.Config.Network': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'VM.Config.Options': (d) => d.setFacts(testKey(1n), { activating: true }),
  'VM.Console': (d) => d.console(testKey(1n)),
  'VM.GuestAgent.Audit': (d) => d.agent(testKey(1n), 'ping'),
  'VM.GuestAgent.FileSystemMgmt': (d) => d.agent(testKey(1n), 'fs-freeze'),
  'VM.PowerMgmt': (d) => d.stop(testKey(1n), 'force'),
  'VM.Snapshot': (d) => d.snapshot(testKey(1n), 'a'),
  'Datastore.Allocate': (d) => d.destroy(testKey(1n)),
  'Datastore.AllocateSpace': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'Datastore.AllocateTemplate': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'Sys.Audit': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
  'SDN.Use': (d) => d.create(testSpec(testKey(2n), template.sha256, 20_001)),
}

suite('Proxmox rights: a token with one privilege taken away', () => {
  for (const grant of grantsFor(scope)) {
    for (const privilege of grant.privileges) {
      test(`${privilege} on ${grant.paths.join()}: verify names it${needs[privilege] === undefined ? '' : ', and so does the verb that needs it'}`, async (t) => {
        const stand = await openDriverStand()
        t.after(() => stand.close())
        await stand.hypervisor.importTemplate(template)
        const spec = testSpec(testKey(1n), template.sha256, 20_000)
        await stand.hypervisor.create(spec)
        await stand.hypervisor.start(spec.key)
        await stand.hypervisor.snapshot(spec.key, 'kept')
        const kept = grant.privileges.filter((other) => other !== privilege)
        stand.access.roles.set(grant.role, kept.join(' '))
        const client = openClient(waysTo(stand), stand.token, systemClock)
        t.after(() => client.close())
        const report = await verifyRights(client, scope)
        assert.deepEqual(report, { missing: grant.paths.map((at) => ({ path: at, privilege })), excess: [] })
        const verb = needs[privilege]
        if (verb === undefined || (privilege === 'Datastore.AllocateTemplate' && grant.role !== 'FreeholdMedia')) return
        const fresh = stand.again()
        await assert.rejects(verb(fresh), (error) => {
          assert.ok(error instanceof AppError && error.code === 'privilege-missing', String(error))
          assert.ok(error.detail.includes(privilege), error.detail)
          return true
        })
        const names = [...stand.world.vms.values()].filter((vm) => vm.config['template'] !== 1).map((vm) => vm.config['name'])
        assert.equal(new Set(names).size, names.length, 'a duplicate')
      })
    }
  }

  test('a privilege beyond the need is named', async (t) => {
    const stand = await openDriverStand()
    t.after(() => stand.close())
    stand.access.roles.set('FreeholdNode', 'Sys.Audit Sys.Modify')
    const client = openClient(waysTo(stand), stand.token, systemClock)
    t.after(() => client.close())
    assert.deepEqual(await verifyRights(client, scope), {
      missing: [],
      excess: [{ path: '/nodes/pve1', privilege: 'Sys.Modify' }],
    })
  })
})

suite('freehold proxmox on the command line', () => {
  const program = resolve(import.meta.dirname, '../../appliance/bin/freehold')
  const run = (args: string[]) =>
    new Promise<{ code: number; out: string; err: string }>((done) => {
      execFile(program, args, { timeout: 60_000 }, (error, out, err) =>
        done({ code: error === null ? 0 : Number(error.code), out, err }),
      )
    })

  test('fingerprint shows what a node shows, with the port, and sends no byte of a request; it says which port was taken', async (t) => {
    const stand = await openStand()
    t.after(() => stand.close())
    const [server] = stand.servers.values()
    const shown = await run(['--json', 'proxmox', 'fingerprint', `https://127.0.0.1:${server?.port}`])
    assert.equal(shown.code, 0, shown.err)
    const { address, fingerprint } = JSON.parse(shown.out) as { address: string; fingerprint: string }
    assert.deepEqual([address, fingerprint], [`127.0.0.1:${server?.port}`, stand.world.nodes.get('pve1')?.fingerprint])
    assert.equal(server?.requestBytes, 0)
    // nothing listens there: 127.1.2.3 is nobody's
    const left = await run(['proxmox', 'fingerprint', 'https://127.1.2.3'])
    assert.notEqual(left.code, 0)
    assert.match(left.err, /127\.1\.2\.3:8006/)
    for (const [text, says] of [
      ['http://127.1.2.3:8006', /must not travel unencrypted/],
      ['https://127.1.2.3:8006/api2/json', /has a path[\s\S]*Leave away/],
    ] as const) {
      const refused = await run(['proxmox', 'fingerprint', text])
      assert.equal(refused.code, 2)
      assert.match(refused.err, says)
    }
  })

  test('enrol shows its plan, enrols, writes the secret for its owner alone; verify names what is missing', async (t) => {
    const stand = await openStand()
    t.after(() => stand.close())
    const [server] = stand.servers.values()
    const files = {
      authority: join(folder, 'ca.pem'),
      token: join(folder, 'token'),
      root: join(folder, 'root'),
      answers: join(folder, 'a.yaml'),
    }
    writeFileSync(files.authority, stand.authority.pem)
    writeFileSync(files.root, `${stand.rootToken.id}=${stand.rootToken.secret}\n`, { mode: 0o644 })
    writeFileSync(
      files.answers,
      readFileSync(resolve(import.meta.dirname, '../../scripts/embedded.yaml'), 'utf8').replace(
        /^hypervisor:\n(?: .*\n)*/m,
        `hypervisor: {kind: proxmox, nodes: [{url: 'https://127.0.0.1:${server?.port}', name: pve1}], authorityFile: '${files.authority}', tokenFile: '${files.token}', diskStorage: local}\n`,
      ),
    )
    const enrolling = [
      'proxmox',
      'enrol',
      files.answers,
      '--privileged-token-file',
      files.root,
      '--operator-network',
      '192.0.2.0/24',
    ]
    const open = await run(enrolling)
    assert.match(open.err, /open to others/)
    chmodSync(files.root, 0o600)
    const plan = await run([...enrolling, '--dry-run'])
    assert.equal(plan.code, 0, plan.err)
    assert.match(plan.out, /to do\s+role FreeholdVM/)
    assert.equal(stand.access.users.has('freehold@pve'), false)
    const done = await run(enrolling)
    assert.equal(done.code, 0, done.err)
    assert.equal(statSync(files.token).mode & 0o777, 0o600)
    // the plan stands there before the first step is told of
    assert.match(done.out, /to do\s+role FreeholdVM/)
    const both = openSync(join(folder, 'told'), 'a')
    const [ended] = await once(spawn(program, enrolling, { stdio: ['ignore', both, both], timeout: 60_000 }), 'close')
    closeSync(both)
    const told = readFileSync(join(folder, 'told'), 'utf8')
    assert.equal(ended, 0, told)
    assert.ok(told.indexOf('STATE') >= 0 && told.indexOf('STATE') < told.indexOf('…'), told)
    const secret = readFileSync(files.token, 'utf8').trim()
    for (const hidden of [secret, stand.rootToken.secret]) assert.ok(!`${done.out}${done.err}${told}`.includes(hidden))
    assert.ok(!secret.includes(stand.rootToken.secret) && !readFileSync(files.answers, 'utf8').includes(stand.rootToken.secret))
    const looking = stand.log.length
    const fine = await run(['proxmox', 'verify', files.answers])
    assert.equal(fine.code, 0, fine.err)
    stand.access.roles.set('FreeholdNetwork', '')
    const lacking = await run(['proxmox', 'verify', files.answers])
    assert.notEqual(lacking.code, 0)
    assert.match(`${lacking.out}${lacking.err}`, /SDN\.Use/)
    assert.ok(
      stand.log.length > looking && stand.log.slice(looking).every((asked) => asked.verb === 'GET'),
      'verify changes nothing',
    )
  })
})
