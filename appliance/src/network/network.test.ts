import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../clock/clock.ts'
import { openStore } from '../store/store.ts'
import { embeddedPlan, indexOfIpv6, ipv4Candidates, ipv6AtIndex, ipv6Of, type AddressPlan } from './address-plan.ts'
import { createAddressTable } from './address-table.ts'
import { bitsToIpv6, ipv4ToNumber, ipv6ToBits, numberToIpv4 } from './ip.ts'
import { macOf } from './mac.ts'
import { createSshdProbe, readSshBanner, sshEndpoint } from './ssh-banner.ts'

const installation = '0123456789ab'
const guests = { network: '10.77.0.0', prefixLength: 16, gateway: '10.77.0.1' }
const vm = (tokenId: bigint) => ({ installation, tokenId })

describe('denials', () => {
  for (const text of ['10.77.0', '10.77.0.256', '10.77.0.1.1', '', 'a.b.c.d']) {
    test(`denies ${text || 'nothing'} as IPv4`, () => assert.throws(() => ipv4ToNumber(text), TypeError))
  }
  for (const text of ['1::2::3', '1:2:3', 'g::', '1:2:3:4:5:6:7:8:9', '::1.2.3.4', '12345::', '1:2:3:4:5:6:7::8']) {
    test(`denies ${text} as IPv6`, () => assert.throws(() => ipv6ToBits(text), TypeError))
  }
  test('denies an IPv6 to a token id or contract that does not fit', () => {
    const net = { prefix: '2001:db8::', prefixLength: 64 }
    assert.throws(() => ipv6Of(net, 0, 1n << 48n), { code: 'capacity-exceeded' })
    assert.throws(() => ipv6Of(net, 0x10000, 1n), { code: 'capacity-exceeded' })
  })
  test('denies an address of another VM, and one more than there are', async () => {
    const store = await openStore(':memory:', { clock: systemClock })
    const table = createAddressTable(embeddedPlan({ from: 20_000, to: 20_001 }), store.addresses)
    await table.allocate(vm(1n), 0)
    await table.allocate(vm(2n), 0)
    assert.equal(await table.claim(vm(3n), { ipv4: null, ipv6: null, sshPort: 20_000 }), false)
    await assert.rejects(table.allocate(vm(3n), 0), { code: 'capacity-exceeded' })
    await table.release(vm(1n))
    assert.equal((await table.allocate(vm(3n), 0)).sshPort, 20_000)
    await store.close()
  })
  test('an open port that greets with something else is no sshd', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    assert.equal(await readSshBanner({ host: '127.0.0.1', port }, 1000), undefined)
    server.close()
    assert.equal(await readSshBanner({ host: '127.0.0.1', port }, 1000), undefined, 'nor is a closed one')
  })
})

test('addresses are text and number, both ways, for all of them', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (n) => assert.equal(ipv4ToNumber(numberToIpv4(n)), n)))
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (n) => assert.equal(ipv6ToBits(bitsToIpv6(n)), n)))
  assert.equal(bitsToIpv6(ipv6ToBits('2001:DB8:0:0:1:0:0:1')), '2001:db8::1:0:0:1')
  assert.equal(bitsToIpv6(0n), '::')
  assert.equal(bitsToIpv6(ipv6ToBits('1:0:2:3:4:5:6:7')), '1:0:2:3:4:5:6:7')
})

test('a MAC is the same in every generation, local and unicast', () => {
  assert.equal(macOf(vm(42n)), '52:54:38:82:58:26')
  assert.notEqual(macOf(vm(42n)), macOf(vm(43n)))
})

test("guests begin after the host's own addresses and stay below broadcast", () => {
  const small = [...ipv4Candidates({ network: '10.0.0.0', prefixLength: 28, gateway: '10.0.0.1' })]
  assert.deepEqual(small, ['10.0.0.11', '10.0.0.12', '10.0.0.13', '10.0.0.14'])
  assert.equal([...ipv4Candidates(guests)].length, 65_524)
})

test('IPv6: 16-bit contract and 48-bit token id; a long prefix takes indexes from the table', async () => {
  assert.equal(ipv6Of({ prefix: '2001:db8:1:2::', prefixLength: 64 }, 1, 42n), '2001:db8:1:2:1::2a')
  const long = { prefix: '2001:db8::ff00', prefixLength: 120 }
  assert.equal(ipv6AtIndex(long, 16), '2001:db8::ff10')
  assert.equal(indexOfIpv6(long, '2001:db8::ff10'), 16)
  const store = await openStore(':memory:', { clock: systemClock })
  const plan: AddressPlan = { ipv4: guests, ipv6: long, sshPorts: null }
  const table = createAddressTable(plan, store.addresses)
  const first = await table.allocate(vm(7n), 0)
  assert.deepEqual(first, { ipv4: '10.77.0.11', ipv6: '2001:db8::ff10', sshPort: null })
  assert.deepEqual(await table.allocate(vm(7n), 0), first, 'stable')
  await table.release(vm(7n))
  assert.equal(await table.claim(vm(8n), first), true)
  assert.equal((await table.allocate(vm(7n), 0)).ipv6, '2001:db8::ff11')
  await store.close()
})

test('V5: 1,000 creates and destroys use nothing up', async () => {
  const store = await openStore(':memory:', { clock: systemClock })
  const table = createAddressTable({ ipv4: guests, ipv6: null, sshPorts: { from: 20_000, to: 20_009 } }, store.addresses)
  for (let i = 0n; i < 1000n; i += 1n) {
    await table.allocate(vm(i), 0)
    if (i >= 9n) await table.release(vm(i - 9n))
  }
  assert.equal((await store.addresses.list('ssh-port')).length, 9)
  assert.equal((await store.addresses.list('ipv4')).length, 9)
  await store.close()
})

test('the probe waits for the banner, not for the port; it stops at once on request', async () => {
  let greet = false
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    if (greet) socket.end('some notice\r\nSSH-2.0-OpenSSH_10.0\r\n')
    else socket.end(() => (greet = true))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const addresses = { ipv4: null, ipv6: null, sshPort: port }
  await createSshdProbe(systemClock).waitForBanner(addresses, new AbortController().signal)
  assert.equal(await readSshBanner({ host: '127.0.0.1', port }, 1000), 'SSH-2.0-OpenSSH_10.0')
  server.close()
  const stop = AbortSignal.timeout(50)
  await assert.rejects(createSshdProbe(systemClock).waitForBanner(addresses, stop))
  await assert.rejects(createSshdProbe(systemClock, 0.1).waitForBanner(addresses, new AbortController().signal), {
    code: 'timed-out',
  })
  assert.equal(sshEndpoint({ ipv4: null, ipv6: null, sshPort: null }), undefined)
  assert.deepEqual(sshEndpoint({ ipv4: '10.77.0.11', ipv6: '::1', sshPort: 1 }), { host: '10.77.0.11', port: 22 })
})
