import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite, test, type TestContext } from 'node:test'
import { sentinels } from './sentinels.ts'

// `npm run pve` as a person runs it, and what each sentinel shows.

const main = join(import.meta.dirname, 'main.ts')

interface Started {
  pem: string
  addresses: { node: string; port: number }[]
  token: string
  lines: string[]
  /** Its own folder for temporary files. */
  folder: string
  end(): Promise<number | null>
}

async function start(t: TestContext, ...args: string[]): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'pvem-'))
  const child = spawn(process.execPath, [main, '--port', '0', '--pace', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 300_000,
    env: { ...process.env, TMPDIR: folder },
  })
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  t.after(async () => {
    child.kill('SIGKILL')
    await closed
    rmSync(folder, { recursive: true })
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (line.startsWith('privileged token')) break
  }
  return {
    pem: lines.slice(0, lines.findIndex((line) => line.startsWith('-----END')) + 1).join('\n'),
    addresses: lines.flatMap((line) => {
      const [, node = '', port] = /^(pve\d)\s+https:\/\/127\.0\.0\.1:(\d+)/.exec(line) ?? []
      return port === undefined ? [] : [{ node, port: Number(port) }]
    }),
    token: lines.at(-1)?.split(': ').at(-1) ?? '',
    lines,
    folder,
    async end() {
      child.kill('SIGTERM')
      return (await closed)[0]
    },
  }
}

interface Answer {
  status: number
  reason: string
  data: unknown
}

/** A call of the privileged token, over a connection that trusts the printed authority and nothing else. */
async function call(
  { pem, addresses, token }: Started,
  method: string,
  path: string,
  params: Record<string, string> = {},
): Promise<Answer> {
  const [first] = addresses
  assert.ok(first !== undefined)
  const body = new URLSearchParams(params).toString()
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const asking = request(
    {
      method,
      host: '127.0.0.1',
      port: first.port,
      ca: pem,
      servername: first.node,
      path: `/api2/json${path}${method === 'GET' && body !== '' ? `?${body}` : ''}`,
      headers: {
        authorization: `PVEAPIToken=${token}`,
        ...(method !== 'GET' && { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) }),
      },
    },
    (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const data = text === '' ? undefined : (JSON.parse(text) as { data: unknown }).data
        resolve({ status: response.statusCode ?? 0, reason: response.statusMessage ?? '', data })
      })
    },
  )
  asking.on('error', reject)
  asking.end(method === 'GET' ? undefined : body)
  return await promise
}

/** Makes a VM and waits for the end of its task. */
async function makeVm(started: Started, vmid: string): Promise<Answer> {
  const made = await call(started, 'POST', '/nodes/pve1/qemu', { vmid, memory: '512', virtio0: 'local:1' })
  if (made.status === 200) await taskOf(started, made)
  return made
}

async function taskOf(started: Started, made: Answer): Promise<Answer> {
  for (;;) {
    const state = await call(started, 'GET', `/nodes/pve1/tasks/${encodeURIComponent(String(made.data))}/status`)
    if (state.status !== 200 || (state.data as { status: string }).status === 'stopped') return state
    await new Promise((done) => setTimeout(done, 5))
  }
}

const exitOf = ({ data }: Answer) => (data as { exitstatus?: string } | null | undefined)?.exitstatus

const shows: Record<string, (started: Started) => Promise<void>> = {
  async 'gateway-595'(started) {
    const made = await makeVm(started, '100')
    assert.deepEqual([made.status, made.reason], [595, 'Connection refused'])
    assert.equal((await call(started, 'GET', '/cluster/nextid', { vmid: '100' })).status, 200, 'nothing was done')
  },
  async 'gateway-596'(started) {
    const made = await makeVm(started, '100')
    assert.deepEqual([made.status, made.reason], [596, 'Broken pipe'])
    assert.equal((await call(started, 'GET', '/cluster/nextid', { vmid: '100' })).status, 400, 'it was done all the same')
  },
  async 'gateway-599'(started) {
    assert.equal((await call(started, 'GET', '/version')).status, 599)
  },
  async 'lost-task'(started) {
    const made = await call(started, 'POST', '/nodes/pve1/qemu', { vmid: '100', memory: '512' })
    assert.equal(made.status, 200)
    const lost = await taskOf(started, made)
    assert.deepEqual([lost.status, lost.reason], [400, 'Parameter verification failed.'])
  },
  async 'locked-vm'(started) {
    assert.equal((await makeVm(started, '100')).status, 200)
    const refused = await call(started, 'PUT', '/nodes/pve1/qemu/100/config', { cores: '2' })
    assert.equal(refused.status, 500)
    assert.match(refused.reason, /^can't lock file .*lock-100.conf' - got timeout$/)
  },
  async 'full-storage'(started) {
    const made = await call(started, 'POST', '/nodes/pve1/qemu', { vmid: '100', virtio0: 'local:1' })
    assert.match(exitOf(await taskOf(started, made)) ?? '', /No space left on device/)
  },
  async 'slow-401'(started) {
    const refused = await call(started, 'GET', '/version')
    assert.deepEqual([refused.status, refused.reason], [401, 'Authentication failed!'])
  },
  async 'expired-certificate'(started) {
    await assert.rejects(call(started, 'GET', '/version'), { code: 'CERT_HAS_EXPIRED' })
  },
}

suite('npm run pve', () => {
  test('denies options that make no sense, and names the sentinels that there are', async () => {
    for (const [args, says] of [
      [['--nodes', '4'], /1, 2 or 3/],
      [['--pace', 'slow'], /number/],
      [['--port', '70000'], /TCP port/],
      [['--guests', 'some'], /real or words/],
      [['--sentinel', 'nosuch'], /gateway-595, .*expired-certificate/],
    ] as const) {
      const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 })
      let said = ''
      child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
      const [code] = (await once(child, 'close')) as [number | null]
      assert.equal(code, 2, args.join(' '))
      assert.match(said, says)
    }
  })

  test('every sentinel has its row here', () => {
    assert.deepEqual(Object.keys(shows).toSorted(), Object.keys(sentinels).toSorted())
  })

  for (const [name, show] of Object.entries(shows)) {
    test(`${name} is seen by hand`, async (t) => {
      const started = await start(t, '--guests', 'words', '--sentinel', name)
      assert.ok(started.lines.includes(`sentinels: ${name}`))
      await show(started)
    })
  }

  test('three nodes that know each other; a storage named sentinel-full has no room; it leaves nothing behind', async (t) => {
    const started = await start(t, '--nodes', '3')
    assert.deepEqual(
      started.addresses.map(({ node }) => node),
      ['pve1', 'pve2', 'pve3'],
    )
    const nodes = (await call(started, 'GET', '/nodes')).data as { node: string }[]
    assert.deepEqual(
      nodes.map(({ node }) => node),
      ['pve1', 'pve2', 'pve3'],
    )
    await call(started, 'POST', '/storage', { storage: 'sentinel-full', type: 'dir', path: '/full', content: 'images' })
    const made = await call(started, 'POST', '/nodes/pve1/qemu', { vmid: '100', virtio0: 'sentinel-full:1' })
    assert.match(exitOf(await taskOf(started, made)) ?? '', /No space left on device/)
    assert.ok(
      started.lines.some((line) => /^guests: (real, (KVM|TCG)|words only, since)/.test(line)),
      started.lines.join('\n'),
    )
    assert.notDeepEqual(readdirSync(started.folder), [])
    assert.equal(await started.end(), 0)
    assert.deepEqual(readdirSync(started.folder), [])
  })
})
