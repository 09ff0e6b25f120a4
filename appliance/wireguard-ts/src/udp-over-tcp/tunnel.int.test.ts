import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket as TcpSocket } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import getPort from 'get-port'
import { connectUdpOverTcp } from './client.ts'
import { serveUdpOverTcp } from './server.ts'
import { runOrFail } from '../run.ts'

const sizes = [0, 1, 2, 255, 256, 257, 1280, 1420, 1500, 9000, 65_507]
const datagrams = sizes.map((size) => randomBytes(size))
/** What udptunnel carries: it swallows empty datagrams. */
const filled = datagrams.filter((datagram) => datagram.length > 0)

async function bound(t: TestContext): Promise<{ udp: Socket; port: number }> {
  const udp = createSocket('udp4')
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  t.after(() => udp.close())
  return { udp, port: udp.address().port }
}

/** A socket that shares its port with one that is bound on every address. */
async function boundAt(t: TestContext, address: string, port: number): Promise<Socket> {
  const udp = createSocket({ type: 'udp4', reuseAddr: true })
  udp.bind(port, address)
  await once(udp, 'listening')
  t.after(() => udp.close())
  return udp
}

/** An echo of UDP, as the far WireGuard would answer. */
async function echo(t: TestContext): Promise<number> {
  const { udp, port } = await bound(t)
  udp.on('message', (datagram, from) => udp.send(datagram, from.port, from.address))
  return port
}

/** Sends each datagram and waits for it to come back, so that none of UDP's own loss counts. */
async function allComeBack(t: TestContext, port: number, from?: Socket, sent = datagrams): Promise<void> {
  const udp = from ?? (await bound(t)).udp
  for (const datagram of sent) {
    const back = once(udp, 'message', { signal: AbortSignal.timeout(60_000) })
    udp.send(datagram, port, '127.0.0.1')
    const [got] = (await back) as [Buffer]
    assert.deepEqual(got, datagram, `${datagram.length} bytes`)
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const limit = performance.now() + 60_000
  while (!holds()) {
    assert.ok(performance.now() < limit, `never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function selfSigned(t: TestContext): Promise<{ key: string; cert: string }> {
  const folder = await mkdtemp('/tmp/wireguard-tls-')
  t.after(() => rm(folder, { recursive: true }))
  await runOrFail('make a certificate', 'openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', `${folder}/key`, '-out', `${folder}/cert`],
  ])
  return { key: await readFile(`${folder}/key`, 'utf8'), cert: await readFile(`${folder}/cert`, 'utf8') }
}

suite('udp-over-tcp', { timeout: 600_000 }, () => {
  for (const secured of [false, true]) {
    test(`datagrams of every size come back ${secured ? 'through TLS' : 'through bare TCP'}`, async (t) => {
      const tls = secured ? await selfSigned(t) : undefined
      const target = { host: '127.0.0.1', port: await echo(t) }
      const server = await serveUdpOverTcp({ listen: { host: '127.0.0.1', port: 0 }, target, ...(tls !== undefined && { tls }) })
      t.after(() => server.close())
      const client = await connectUdpOverTcp({
        server: { host: '127.0.0.1', port: server.port },
        ...(tls !== undefined && { tls: { ca: tls.cert } }),
      })
      t.after(() => client.close())
      await until('connected', () => client.connected)
      await allComeBack(t, client.port)
      assert.equal(server.counters.toUdp, datagrams.length)
    })
  }

  test('a server with another certificate gets no datagram', async (t) => {
    const [own, other] = [await selfSigned(t), await selfSigned(t)]
    const server = await serveUdpOverTcp({
      listen: { host: '127.0.0.1', port: 0 },
      target: { host: '127.0.0.1', port: 9 },
      tls: other,
    })
    t.after(() => server.close())
    const client = await connectUdpOverTcp({
      server: { host: '127.0.0.1', port: server.port },
      tls: { ca: own.cert },
      retryMs: 10,
    })
    t.after(() => client.close())
    const { udp } = await bound(t)
    udp.send('x', client.port, '127.0.0.1')
    await until(
      'the datagram was dropped and the server refused',
      () => client.counters.dropped === 1 && server.counters.refused > 0,
    )
    assert.equal(client.connected, false)
    assert.equal(server.counters.toUdp, 0)
  })

  // udptunnel binds its UDP port on every address and sends to the same port of the one that it is given: the other end of
  // that port is 127.0.0.2 here
  test('ours speaks with udptunnel as its server', async (t) => {
    const [tcpPort, udpPort] = [await getPort({ host: '127.0.0.1' }), await getPort({ host: '127.0.0.1' })]
    const theirs = spawn('udptunnel', ['-s', String(tcpPort), `127.0.0.2/${udpPort}`], { stdio: 'ignore' })
    t.after(() => theirs.kill('SIGKILL'))
    const client = await connectUdpOverTcp({ server: { host: '127.0.0.1', port: tcpPort }, retryMs: 20 })
    t.after(() => client.close())
    await until('connected to udptunnel', () => client.connected)
    const far = await boundAt(t, '127.0.0.2', udpPort)
    far.on('message', (datagram) => far.send(datagram, udpPort, '127.0.0.1'))
    await allComeBack(t, client.port, undefined, filled)
  })

  test('ours speaks with udptunnel as its client', async (t) => {
    const server = await serveUdpOverTcp({
      listen: { host: '127.0.0.1', port: 0 },
      target: { host: '127.0.0.1', port: await echo(t) },
    })
    t.after(() => server.close())
    const udpPort = await getPort({ host: '127.0.0.1' })
    const theirs = spawn('udptunnel', ['-c', `127.0.0.1/${server.port}`, `127.0.0.2/${udpPort}`], { stdio: 'ignore' })
    t.after(() => theirs.kill('SIGKILL'))
    await until('udptunnel has connected', () => server.connections === 1)
    await allComeBack(t, udpPort, await boundAt(t, '127.0.0.2', udpPort), filled)
  })

  test('comes back by itself after the server was gone, without a new call', async (t) => {
    const target = { host: '127.0.0.1', port: await echo(t) }
    const first = await serveUdpOverTcp({ listen: { host: '127.0.0.1', port: 0 }, target })
    const client = await connectUdpOverTcp({ server: { host: '127.0.0.1', port: first.port }, retryMs: 10 })
    t.after(() => client.close())
    await until('connected', () => client.connected)
    await first.close()
    await until('noticed', () => !client.connected)
    const second = await serveUdpOverTcp({ listen: { host: '127.0.0.1', port: first.port }, target })
    t.after(() => second.close())
    await until('connected again', () => client.connected)
    await allComeBack(t, client.port)
    assert.equal(client.counters.connects, 2)
  })

  test('a stranger cannot choose the target, hold more connections than his share, or fill the memory', async (t) => {
    const { udp, port } = await bound(t)
    const server = await serveUdpOverTcp({
      listen: { host: '127.0.0.1', port: 0 },
      target: { host: '127.0.0.1', port },
      perSource: 2,
      silentMs: 200,
    })
    t.after(() => server.close())
    const sockets = Array.from({ length: 4 }, () => connect(server.port, '127.0.0.1').on('error', () => {}))
    t.after(() => sockets.forEach((socket) => socket.destroy()))
    await until('two were refused', () => server.counters.refused === 2)
    assert.equal(server.connections, 2)
    // a head without its body waits for the time limit and goes
    for (const socket of sockets) socket.write(Buffer.from([0xff, 0xff, 1]))
    await until('silent ones are closed', () => server.connections === 0)
    udp.removeAllListeners()
  })

  test('a reader that never reads costs dropped datagrams, not memory', async (t) => {
    const idle = createServer({ pauseOnConnect: true })
    idle.listen(0, '127.0.0.1')
    await once(idle, 'listening')
    const accepted = once(idle, 'connection') as Promise<[TcpSocket]>
    t.after(() => idle.close())
    const client = await connectUdpOverTcp({ server: { host: '127.0.0.1', port: (idle.address() as AddressInfo).port } })
    const [held] = await accepted
    t.after(async () => {
      await client.close()
      held.destroy()
    })
    await until('connected', () => client.connected)
    const { udp } = await bound(t)
    const big = randomBytes(60_000)
    const limit = performance.now() + 60_000
    while (client.counters.dropped < 10) {
      assert.ok(performance.now() < limit, 'nothing was dropped')
      await new Promise((resolve) => udp.send(big, client.port, '127.0.0.1', resolve))
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
})
