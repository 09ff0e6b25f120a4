import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, suite, test, type TestContext } from 'node:test'
import { systemClock } from '@freehold/appliance/clock/clock'
import { parseConfig } from '@freehold/appliance/config/load'
import { AppError } from '@freehold/appliance/errors/app-error'
import { openHypervisor } from '@freehold/appliance/hypervisor/open-hypervisor'
import type { SetupContext } from '@freehold/appliance/setup/context'
import { setupSteps } from '@freehold/appliance/setup/setup'
import type { Step } from '@freehold/appliance/steps/step'
import { enrol } from './driver-stand.ts'
import { openStand, type Stand } from './stand.ts'

const folder = mkdtempSync(join(tmpdir(), 'pve-setup-'))
after(() => rmSync(folder, { recursive: true }))
const embedded = readFileSync(resolve(import.meta.dirname, '../../scripts/embedded.yaml'), 'utf8')
let files = 0

interface Given {
  stand: Stand
  context: SetupContext
  step: Step<SetupContext>
  tokenFile: string
  rootFile: string
  lines: string[]
  run(): Promise<void>
}

/** Setup's own step on a stand that nobody is enrolled on, with or without a privileged credential in the answers. */
async function given(t: TestContext, credential: 'with' | 'without'): Promise<Given> {
  const stand = await openStand()
  t.after(() => stand.close())
  const n = files++
  const [authorityFile, tokenFile, rootFile] = [join(folder, `ca${n}`), join(folder, `token${n}`), join(folder, `root${n}`)]
  writeFileSync(authorityFile, stand.authority.pem)
  writeFileSync(rootFile, `${stand.rootToken.id}=${stand.rootToken.secret}\n`, { mode: 0o600 })
  const hypervisor = {
    kind: 'proxmox',
    nodes: [{ url: `https://127.0.0.1:${stand.servers.get('pve1')?.port}`, name: 'pve1' }],
    authorityFile,
    tokenFile,
    diskStorage: 'local',
    ...(credential === 'with' && { enrolment: { privilegedTokenFile: rootFile, operatorNetworks: ['192.0.2.0/24'] } }),
  }
  const answers = parseConfig(
    embedded.replace(/^hypervisor:\n(?: .*\n)*/m, `hypervisor: ${JSON.stringify(hypervisor)}\n`),
    'answers',
  )
  const lines: string[] = []
  const step = setupSteps.find((one) => one.name === 'enrolment')
  assert.ok(step !== undefined, 'setup has no such step')
  const context = { answers } as SetupContext
  const run = () =>
    step.run(context, { signal: new AbortController().signal, log: (line) => lines.push(line), progress: () => undefined })
  return { stand, context, step, tokenFile, rootFile, lines, run }
}

const refusedWith = (code: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AppError && error.code === code, String(error))
  assert.match(error.detail, says)
  return true
}
const writesIn = (stand: Stand, from: number) => stand.log.slice(from).filter((asked) => asked.verb !== 'GET')

suite('setup: the step that enrols on Proxmox', () => {
  test('denies to go on without token and credential, and asks the server nothing', async (t) => {
    const { stand, step, context, run } = await given(t, 'without')
    const from = stand.log.length
    assert.equal(await step.check(context), false)
    await assert.rejects(run(), refusedWith('config-unreadable', /secret of the token/))
    assert.equal(stand.log.length, from)
  })

  test('denies a token that lacks a privilege, by its name, and changes nothing', async (t) => {
    const { stand, step, context, run, tokenFile } = await given(t, 'without')
    const { secret } = await enrol(stand)
    writeFileSync(tokenFile, secret, { mode: 0o600 })
    stand.access.roles.set('FreeholdNetwork', '')
    const from = stand.log.length
    assert.equal(await step.check(context), false)
    await assert.rejects(run(), refusedWith('privilege-missing', /SDN\.Use on \/sdn\/zones\/localnetwork\/vmbr0/))
    assert.deepEqual(writesIn(stand, from), [])
  })

  test('denies a firewall that nobody has seen on: the token may not look, and no enrolment of this host has', async (t) => {
    const { stand, run, tokenFile } = await given(t, 'without')
    const { secret } = await enrol(stand)
    writeFileSync(tokenFile, secret, { mode: 0o600 })
    await assert.rejects(run(), refusedWith('firewall-off', /is not known/))
  })

  test('denies a firewall that is off, also after an enrolment that saw it on, where the token may look', async (t) => {
    const { stand, step, context, run } = await given(t, 'with')
    await run()
    assert.equal(await step.check(context), true)
    stand.access.roles.set('Look', 'Sys.Audit')
    for (const ugid of ['freehold@pve', 'freehold@pve!appliance'])
      stand.access.acl.push({ path: '/', roleid: 'Look', type: ugid.includes('!') ? 'token' : 'user', ugid, propagate: false })
    stand.world.clusterFirewall.options['enable'] = 0
    const from = stand.log.length
    assert.equal(await step.check(context), false)
    const { hypervisor } = context.answers
    assert.ok(hypervisor.kind === 'proxmox')
    delete hypervisor.enrolment
    await assert.rejects(run(), refusedWith('firewall-off', /is off/))
    assert.deepEqual(writesIn(stand, from), [])
  })

  test('shows the plan, enrols, keeps the token for its owner alone, forgets the credential; then it is done', async (t) => {
    const { stand, step, context, run, tokenFile, rootFile, lines } = await given(t, 'with')
    const from = stand.log.length
    let shown = -1
    const log = lines.push.bind(lines)
    lines.push = (...more) => {
      if (writesIn(stand, from).length === 0) shown = lines.length + more.length
      return log(...more)
    }
    assert.equal(await step.check(context), false)
    await run()
    assert.ok(
      shown > 10 && lines.slice(0, shown).some((line) => /to do: role FreeholdVM/.test(line)),
      'changed before it was shown',
    )
    assert.equal(statSync(tokenFile).mode & 0o777, 0o600)
    assert.equal(existsSync(rootFile), false)
    const secret = readFileSync(tokenFile, 'utf8').trim()
    const said = JSON.stringify([lines, context.answers])
    assert.ok(!said.includes(secret) && !said.includes(stand.rootToken.secret))
    assert.equal(stand.world.clusterFirewall.options['enable'], 1)
    assert.equal(await step.check(context), true)
    const driver = await openHypervisor({ config: context.answers, stateFolder: folder, clock: systemClock })
    assert.equal((await driver.capabilities()).isolation, true)
    assert.deepEqual(await driver.list(), [])
    await (driver as unknown as { close(): Promise<void> }).close()
    // nor does any file have the credential, whatever it is called
    const kept = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
    assert.ok(kept.some((file) => join(file.parentPath, file.name) === tokenFile))
    for (const file of kept) {
      const content = readFileSync(join(file.parentPath, file.name), 'latin1')
      assert.ok(!content.includes(stand.rootToken.secret), `${file.name} has the credential`)
    }
  })

  test('one that breaks off anywhere is completed by the next try, and the credential stays until then', async (t) => {
    const { stand, step, context, run, rootFile } = await given(t, 'with')
    let tries = 0
    for (const path of [/roles$/, /token/, /acl$/, /cluster\/options$/, /cluster\/firewall\/options$/]) {
      stand.faults.arm({ kind: 'cut-before' }, { path, method: path.source.startsWith('cluster') ? 'PUT' : 'POST', times: 1 })
      if (path.source === 'acl$') stand.faults.arm({ kind: 'cut-before' }, { path, method: 'PUT', times: 1 })
      const struck = stand.faults.struck.length
      await assert.rejects(run(), AppError).catch((error: unknown) => {
        // what an earlier try has made is not asked for again
        if (stand.faults.struck.length > struck) throw error
      })
      tries += Number(stand.faults.struck.length > struck)
      stand.faults.clear()
      if (!existsSync(rootFile)) break
    }
    assert.ok(tries >= 3, `only ${tries} faults struck`)
    if (existsSync(rootFile)) await run()
    assert.equal(await step.check(context), true)
  })
})
