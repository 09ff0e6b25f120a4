import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { until } from '@freehold/appliance/dev/supervisor'
import { siteFile } from '@freehold/appliance/setup/tls/site-file'
import { startBridgeStand, world, type BridgeStand, type Talker } from './stand.ts'

interface Answer {
  status: number
  body: Record<string, unknown>
}
const [before4, after4] = [world.uplink4, '45.33.32.77']

// The wizard of an installed host behind Caddy with its first certificate, in a network namespace, and a person in the world
// outside. Needs root, like all of this folder.
suite('the machine’s own network is tried, then confirmed from the new address', () => {
  let stand: BridgeStand
  let daemon: Talker
  let folder: string
  let mac: string

  before(async () => {
    stand = await startBridgeStand({ tapOwner: 65_534, group: 0 })
    folder = join(stand.folder, 'daemon')
    await mkdir(folder)
    mac = (await stand.in(stand.host, 'cat', '/sys/class/net/up0/address')).stdout.trim()
    await startDaemon()
    const site = join(stand.folder, 'Caddyfile')
    await writeFile(
      site,
      siteFile({
        apiSocket: join(folder, 'run/api.sock'),
        web: '127.0.0.1:9',
        firstBoot: { certificate: join(folder, 'tls/first-boot.pem'), key: join(folder, 'tls/first-boot.key') },
        challenges: join(folder, 'tls/challenges'),
        authority: join(folder, 'tls/authority'),
      }),
    )
    const places = [`XDG_DATA_HOME=${stand.folder}`, `XDG_CONFIG_HOME=${stand.folder}`]
    const caddy = await stand.talker(stand.host, 'env', ...places, 'caddy', 'run', '--adapter', 'caddyfile', '--config', site)
    await until('Caddy', 60, async () => {
      if (caddy.child.exitCode !== null) throw new Error(caddy.lines.join('\n'))
      return (await call(before4, 'GET', '/v1/setup/entry').catch(() => undefined))?.status === 200
    })
  })
  after(() => stand.stop())

  async function startDaemon(): Promise<void> {
    const program = join(import.meta.dirname, 'daemon.ts')
    const base = JSON.stringify({ mode: 'installed', listen: { login: '10.77.0.1:7443' } })
    const args = ['--state', folder, '--wizard', base, '--hostd', stand.socketPath]
    daemon = await stand.talker(stand.host, process.execPath, program, ...args)
    await until('the daemon', 60, async () => {
      if (daemon.child.exitCode !== null) throw new Error(daemon.lines.join('\n'))
      return daemon.lines.includes('the daemon is up')
    })
  }

  /** A request of somebody outside, by real packets. Rejects if nothing answers. */
  async function call(
    address: string,
    method: string,
    path: string,
    body?: unknown,
    cookie = '',
  ): Promise<Answer & { set: string }> {
    const url = `https://${address}${path}`
    const more = body === undefined ? [] : ['-H', 'content-type: application/json', '--data-binary', JSON.stringify(body)]
    if (method !== 'GET') more.push('-H', `origin: https://${address}`, '-H', `idempotency-key: ${crypto.randomUUID()}`)
    if (cookie !== '') more.push('-H', `cookie: ${cookie}`)
    const out = await stand.in(stand.outside, 'curl', '-ski', '--max-time', '5', '-X', method, ...more, url)
    if (out.code !== 0) throw new Error(`curl ${out.code}`)
    const [head = '', text = ''] = out.stdout.split('\r\n\r\n')
    return {
      status: Number(/^HTTP\/[\d.]+ (\d+)/.exec(head)?.[1]),
      body: text === '' ? {} : (JSON.parse(text) as Answer['body']),
      set: /^set-cookie: ([^;]+)/im.exec(head)?.[1] ?? '',
    }
  }

  async function enter(address: string, code?: string): Promise<string> {
    const shown = JSON.parse(await readFile(join(folder, 'run/setup-code'), 'utf8')) as { code: string }
    const { body, set } = await call(address, 'POST', '/v1/setup/entry', { code: code ?? shown.code })
    assert.equal(body['entered'], true)
    return set
  }
  const addresses = async (): Promise<string> =>
    (await stand.in(stand.host, 'ip', '-4', '-br', 'addr', 'show', 'dev', 'up0')).stdout
  const uplink = (address: string, gateway: string = world.outside4) => ({
    mac,
    ipv4: { address, prefixLength: 24, gateway },
    dns: [],
  })
  const kept = async (): Promise<unknown> => {
    const { trial } = JSON.parse(await readFile(join(stand.stateFolder, 'state.json'), 'utf8')) as { trial: unknown }
    return trial
  }
  /** The countdown of three minutes is the helper's own; here its end is brought nearer, in its own file. */
  async function shorten(): Promise<void> {
    await stand.hostd().stop()
    const file = join(stand.stateFolder, 'state.json')
    const state = JSON.parse(await readFile(file, 'utf8')) as { trial: { until: number } }
    state.trial.until = Math.floor(Date.now() / 1000) + 3
    await writeFile(file, JSON.stringify(state))
    await stand.startHostd()
  }

  test('denies to keep what was never tried, an unknown card, and a confirmation without a trial', async () => {
    const cookie = await enter(before4)
    const untried = await call(
      before4,
      'PUT',
      '/v1/setup/answers/uplink',
      { revision: 0, value: { uplink: uplink(after4) } },
      cookie,
    )
    assert.deepEqual([untried.status, untried.body['code']], [409, 'not-in-this-state'])
    const unknown = { ...uplink(after4), mac: '52:54:00:00:00:99' }
    const refused = await call(before4, 'POST', '/v1/setup/network/try', { uplink: unknown }, cookie)
    assert.deepEqual([refused.status, refused.body['code']], [400, 'bad-input'])
    const early = await call(before4, 'POST', '/v1/setup/network/confirm', {}, cookie)
    assert.equal(early.status, 409)
    const stranger = await call(before4, 'POST', '/v1/setup/network/try', { uplink: uplink(after4) })
    assert.equal(stranger.status, 401)
    assert.match(await addresses(), /45\.33\.32\.2\//)
  })

  test('W13 a network that nobody can reach is taken back by itself, also when daemon and helper die meanwhile', async () => {
    const cookie = await enter(before4)
    // another net altogether: nobody outside finds it
    const wrong = uplink('198.51.77.5', '198.51.77.1')
    const tried = await call(before4, 'POST', '/v1/setup/network/try', { uplink: wrong }, cookie)
    assert.equal(tried.status, 200, JSON.stringify(tried.body))
    await until('the wrong address', 30, async () => (await addresses()).includes('198.51.77.5'))
    await assert.rejects(call(before4, 'GET', '/v1/setup/entry'), 'the machine is not reached any more')
    assert.notEqual(await kept(), null)
    await daemon.stop()
    await shorten()
    await until('the former address', 60, async () => /45\.33\.32\.2\//.test(await addresses()))
    await startDaemon()
    const entry = await call(before4, 'GET', '/v1/setup/entry', undefined, cookie)
    assert.equal(entry.body['entered'], true, 'the session holds over the power cut')
    assert.equal((await call(before4, 'POST', '/v1/setup/network/confirm', {}, cookie)).status, 409)
    const view = await call(before4, 'GET', '/v1/setup/wizard', undefined, cookie)
    const sections = view.body['sections'] as { name: string; state: string }[]
    assert.equal(sections.find((one) => one.name === 'uplink')?.state, 'open')
  })

  test('W13 confirmed from the new address it stays; a confirmation that came to the old one is refused', async () => {
    const cookie = await enter(before4)
    const tried = await call(before4, 'POST', '/v1/setup/network/try', { uplink: uplink(after4) }, cookie)
    const { word, trial } = tried.body as { word: string; trial: { address: string; secondsLeft: number } }
    assert.deepEqual([trial.address, trial.secondsLeft], [after4, 180])
    await until('the new address', 30, async () => (await addresses()).includes(after4))
    const bin = join(import.meta.dirname, '../../../appliance/bin/freehold')
    const screen = await stand.in(stand.host, bin, '--state', folder, 'console-screen', '--once')
    assert.match(screen.stdout, /Network change on trial: https:\/\/45\.33\.32\.77[^]*or it is taken back/, screen.stderr)
    // somebody who only claims to have reached the new address, at a second address of the same card
    await stand.in(stand.host, 'ip', 'addr', 'add', `${before4}/24`, 'dev', 'up0')
    const from = await call(before4, 'POST', '/v1/setup/network/confirm', {}, cookie)
    assert.deepEqual([from.status, from.body['code']], [409, 'not-in-this-state'])
    assert.match(String(from.body['hint']), /https:\/\/45\.33\.32\.77\/setup/)
    await stand.in(stand.host, 'ip', 'addr', 'del', `${before4}/24`, 'dev', 'up0')
    // the word lets one browser over, once
    const over = await enter(after4, word)
    const again = await call(after4, 'POST', '/v1/setup/entry', { code: word })
    assert.equal(again.body['entered'], false)
    const confirmed = await call(after4, 'POST', '/v1/setup/network/confirm', {}, over)
    assert.deepEqual([confirmed.status, confirmed.body['state']], [200, 'answered'], JSON.stringify(confirmed.body))
    assert.equal(await kept(), null)
    await stand.hostd().stop()
    await stand.startHostd()
    assert.match(await addresses(), /45\.33\.32\.77/)
    const file = await call(after4, 'GET', '/v1/setup/wizard', undefined, over)
    const sections = file.body['sections'] as { name: string; value: { uplink: { ipv4: unknown } } | null }[]
    assert.deepEqual(sections.find((one) => one.name === 'uplink')?.value?.uplink.ipv4, uplink(after4).ipv4)
  })

  /** The step of the unattended install on this machine, with a node of the chain somewhere on the Internet. */
  async function unattended(wanted: ReturnType<typeof uplink>, rpcUrl: string): Promise<string> {
    const answers = { mode: 'installed', uplink: wanted, chain: { rpcUrls: [rpcUrl] } }
    const program = join(import.meta.dirname, 'uplink-step.ts')
    const ran = await stand.in(stand.host, process.execPath, program, stand.socketPath, JSON.stringify(answers))
    assert.equal(ran.code, 0, ran.stderr)
    return ran.stdout
  }

  test('unattended: kept once way out and node answer over it, found done when repeated', async () => {
    const node = await stand.talker(stand.outside, process.execPath, join(import.meta.dirname, 'answer-rpc.ts'), world.far4)
    await until('the node', 60, async () => node.lines.includes('up'))
    const rpcUrl = `http://${world.far4}:8545`
    assert.match(await unattended(uplink('45.33.32.78'), rpcUrl), /confirmed: it stays[^]*ended well/)
    assert.ok(node.lines.includes('asked by 45.33.32.78'), 'the node was asked over the new network')
    assert.match(await addresses(), /45\.33\.32\.78/)
    assert.equal(await kept(), null)
    assert.match(await unattended(uplink('45.33.32.78'), rpcUrl), /done already/)
    await node.stop()
  })

  // the host tries for a minute before it gives up
  if (process.env['FREEHOLD_ALL'] === '1') {
    test('unattended: where nothing answers the step fails, and all is as before', async () => {
      const wanted = {
        mode: 'installed',
        uplink: uplink('198.51.77.5', '198.51.77.1'),
        chain: { rpcUrls: ['http://198.51.77.9:8545'] },
      }
      const program = join(import.meta.dirname, 'uplink-step.ts')
      const step = await stand.talker(stand.host, process.execPath, program, stand.socketPath, JSON.stringify(wanted))
      await until('the end of the step', 180, async () => step.child.exitCode !== null)
      const said = step.lines.join('\n')
      assert.match(said, /ended with network-taken-back: .*no answer from the way out/)
      assert.match(await addresses(), /45\.33\.32\.78/)
    })
  }
})
