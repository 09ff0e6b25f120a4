import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import getPort from 'get-port'
import { parseConfig } from '@freehold/appliance/config/load'
import { systemClock } from '@freehold/appliance/clock/clock'
import { until } from '@freehold/appliance/dev/supervisor'
import { createHost } from '@freehold/appliance/host/host'
import { noHost } from '@freehold/appliance/host/no-host'
import { wasmFileText } from '@freehold/appliance/host/wasm-file'
import type { SetupContext } from '@freehold/appliance/setup/context'
import { wasmStep } from '@freehold/appliance/setup/steps/wasm'
import { createCertificates } from '@freehold/appliance/setup/tls/certificates'
import { siteFile } from '@freehold/appliance/setup/tls/site-file'
import { openFirstCertificate } from '@freehold/appliance/setup/wizard/first-certificate'
import { loadWasmConfig } from '@freehold/appliance/wasm/load-wasm-config'
import { openStand } from '../wasm/stand/stand.ts'

const folder = await mkdtemp(join(tmpdir(), 'fh-wasm-site-'))
after(() => rm(folder, { recursive: true, force: true }))
const wasmFile = join(folder, 'wasm.yaml')
const io = { log: () => {}, progress: () => {}, signal: new AbortController().signal } as unknown as Parameters<
  typeof wasmStep.run
>[1]

/** The answers of an installed host, as setup reads them. */
const answersOf = (enabled: boolean) =>
  parseConfig(
    JSON.stringify({
      version: 1,
      mode: 'installed',
      origin: 'https://host.example',
      chain: { chainId: 31337, rpcUrls: ['http://127.0.0.1:8545'] },
      roles: { owner: `0x${'11'.repeat(20)}`, treasury: `0x${'22'.repeat(20)}` },
      plans: [
        enabled
          ? { name: 'Functions', kind: 'wasm', gasPerDay: '1', graceDays: 1, capacity: 1, prices: { native: '1' } }
          : { name: 'small', vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 1, capacity: 1, prices: { native: '1' } },
      ],
      hypervisor: { kind: 'fake' },
      wasm: { enabled },
      tls: { kind: 'own-ca' },
    }),
    'answers.yaml',
  )

suite('WASM hosting on an installed host', () => {
  test('setup has the root helper write the file and start the units, keeps what the operator wrote, and switches it off', async () => {
    const systemctl = join(folder, 'systemctl')
    const called = join(folder, 'called')
    await writeFile(systemctl, `#!/bin/sh\necho "$@" >> ${called}\n`, { mode: 0o755 })
    const root = createHost({
      stateFolder: folder,
      tapOwner: 0,
      clock: systemClock,
      wasmFile,
      units: { systemdFolder: folder, systemctl },
      log: () => {},
    })
    const host = { ...noHost, isolates: true, setWasm: async (how: { enabled: boolean }) => void (await root.verbs.setWasm(how)) }
    const setUp = async (enabled: boolean) => {
      const context = { answers: answersOf(enabled), host } as unknown as SetupContext
      assert.equal(await wasmStep.check(context), false)
      await wasmStep.run(context, io)
    }
    await setUp(true)
    assert.deepEqual((await loadWasmConfig(wasmFile)).server, { host: '127.0.0.1', port: 8430, workers: 4 })
    assert.equal((await stat(wasmFile)).mode & 0o777, 0o644, 'its reader is another user')
    const words = async () => (await readFile(called, 'utf8')).trim().split('\n').slice(-2)
    const said = (verb: string, unit: string) => `--no-block --no-ask-password ${verb} freehold-wasmd.${unit}`
    assert.deepEqual(await words(), [said('start', 'socket'), said('start', 'service')])
    await setUp(false)
    await assert.rejects(stat(wasmFile), { code: 'ENOENT' })
    assert.deepEqual(await words(), [said('stop', 'service'), said('stop', 'socket')])
    await writeFile(wasmFile, 'server: { workers: 2 }\n')
    await setUp(true)
    await setUp(false)
    assert.equal(await readFile(wasmFile, 'utf8'), 'server: { workers: 2 }\n')
    await root.stop()
  })

  test('cut off before, within and after the work of the root helper, then run again: the same end, on and off', async (t) => {
    const place = await mkdtemp(join(folder, 'cut-'))
    const [file, systemctl, called, refused] = ['wasm.yaml', 'systemctl', 'called', 'refused'].map((name) =>
      join(place, name),
    ) as [string, string, string, string]
    // one unit's job is not begun where the power goes before it
    await writeFile(
      systemctl,
      `#!/bin/sh\ntest -e ${refused} && read -r unit < ${refused} && test "$4" = "$unit" && exit 1\necho "$3 $4" >> ${called}\n`,
      {
        mode: 0o755,
      },
    )
    const units = { systemdFolder: place, systemctl }
    const root = createHost({ stateFolder: place, tapOwner: 0, clock: systemClock, wasmFile: file, units, log: () => {} })
    t.after(() => root.stop())
    const work = async (how: { enabled: boolean }) => void (await root.verbs.setWasm(how))
    const cut = new Error('cut off')
    const unit = (name: string) => async (how: { enabled: boolean }) => {
      await writeFile(refused, `freehold-wasmd.${name}\n`)
      await work(how).finally(() => rm(refused))
    }
    const cuts: Record<string, (how: { enabled: boolean }) => Promise<void>> = {
      'before the helper was asked': () => Promise.reject(cut),
      'while the file was written': () => writeFile(`${file}.new`, 'server:').then(() => Promise.reject(cut)),
      'at the socket': unit('socket'),
      'at the service': unit('service'),
      'before the answer came back': (how) => work(how).then(() => Promise.reject(cut)),
    }
    const run = async (enabled: boolean, setWasm: (how: { enabled: boolean }) => Promise<void>): Promise<void> => {
      const context = { answers: answersOf(enabled), host: { ...noHost, isolates: true, setWasm } } as unknown as SetupContext
      assert.equal(await wasmStep.check(context), false, 'what was cut off is done again')
      await wasmStep.run(context, io)
    }
    for (const [where, dying] of Object.entries(cuts)) {
      for (const enabled of [true, false]) {
        await assert.rejects(run(enabled, dying), Error, where)
        await run(enabled, work)
        const text = await readFile(file, 'utf8').catch(() => null)
        assert.equal(text, enabled ? wasmFileText : null, `${where}, ${enabled ? 'on' : 'off'}`)
        const jobs = (await readFile(called, 'utf8')).trim().split('\n').slice(-2)
        const due = enabled
          ? ['start freehold-wasmd.socket', 'start freehold-wasmd.service']
          : ['stop freehold-wasmd.service', 'stop freehold-wasmd.socket']
        assert.deepEqual(jobs, due, where)
      }
    }
  })

  test('embedded mode asks no helper', async () => {
    assert.equal(await wasmStep.check({ answers: answersOf(true) } as unknown as SetupContext), true)
  })

  test('the certificate names wasm.<host>, Caddy leads it to the service, and a host that sells none has no such name', async () => {
    const tls = join(folder, 'tls')
    const ports = { httpPort: await getPort({ host: '127.0.0.1' }), httpsPort: await getPort({ host: '127.0.0.1' }) }
    const certificates = createCertificates({
      stateFolder: folder,
      clock: systemClock,
      front: { ...ports, reload: async () => {} },
      log: () => {},
    })
    const firstBoot = { certificate: join(tls, 'first-boot.pem'), key: join(tls, 'first-boot.key') }
    await openFirstCertificate(firstBoot, { names: ['localhost'], now: new Date() })
    const without = answersOf(false)
    await certificates.prepare(without, io.signal)
    await certificates.switchTo(without)
    assert.doesNotMatch(await readFile(join(tls, 'Caddyfile'), 'utf8'), /wasm\.host|8430/)
    const answers = answersOf(true)
    assert.equal(await certificates.isCurrent(answers), false, 'a name is missing')
    assert.deepEqual((await certificates.prepare(answers, io.signal)).names, ['host.example', 'wasm.host.example'])
    await certificates.switchTo(answers)
    assert.equal(await certificates.isCurrent(answers), true)
    assert.match(
      await readFile(join(tls, 'Caddyfile'), 'utf8'),
      /https:\/\/wasm\.host\.example \{[^}]*reverse_proxy 127\.0\.0\.1:8430/,
    )

    // the same file with the port of a service that runs here
    const service = await openStand()
    const caddyfile = join(folder, 'Caddyfile')
    const { port } = new URL(service.origin)
    await writeFile(
      caddyfile,
      siteFile({
        ...ports,
        origin: answers.origin,
        apiSocket: join(folder, 'none.sock'),
        web: '127.0.0.1:9',
        firstBoot,
        site: certificates.store.files,
        challenges: tls,
        authority: join(tls, 'authority'),
        wasm: { name: 'wasm.host.example', upstream: `127.0.0.1:${port}` },
      }),
    )
    const env = { ...process.env, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
    const caddy = spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', caddyfile], { stdio: 'ignore', env })
    try {
      const ca = await readFile(join(tls, 'authority/root.pem'), 'utf8')
      const get = async (host: string): Promise<{ status: number; body: string }> => {
        const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>()
        const headers = { host: `${host}:${ports.httpsPort}`, 'x-api-key': service.apiKey }
        const options = { host: '127.0.0.1', port: ports.httpsPort, servername: host, path: '/v1/keys', ca, headers }
        request(options, (answer) => {
          let body = ''
          answer.setEncoding('utf8').on('data', (part: string) => (body += part))
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
        })
          .on('error', reject)
          .end()
        return await promise
      }
      await until('Caddy', 60, () =>
        get('wasm.host.example').then(
          () => true,
          () => false,
        ),
      )
      const { status, body } = await get('wasm.host.example')
      assert.equal(status, 200)
      const key = (await service.hostKeys()).key.kid
      assert.equal((JSON.parse(body) as { keys: { kid: string }[] }).keys[0]?.kid, key, 'the very service')
      assert.equal((await get('host.example')).status, 502, 'the pages are elsewhere')
    } finally {
      const gone = once(caddy, 'exit')
      caddy.kill('SIGTERM')
      await gone
      await service.close()
    }
  })
})
