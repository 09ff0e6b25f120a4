import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { KernelDevice } from 'wireguard-ts/kernel-device'
import { run, runOrFail } from 'wireguard-ts/run'
import { UapiDevice } from 'wireguard-ts/uapi-device'
import { deviceOf, makeInterface } from './machine.ts'

const id = process.pid % 100_000
const namespace = `fhk${id}`
const where = { namespace }
// sockets of daemons share one folder over all namespaces: names are this process's own
const [made, veth] = [`fhk${id}m`, `fhk${id}v`]

suite('which WireGuard a broker drives', () => {
  before(async () => {
    await runOrFail('make a namespace', 'ip', ['netns', 'add', namespace])
  })
  after(async () => {
    await run('ip', ['-n', namespace, 'link', 'delete', made])
    await run('ip', ['netns', 'delete', namespace])
  })

  test('none where there is no interface', async () => {
    assert.equal(await deviceOf(made, where), undefined)
  })

  test('the one that this machine has: the kernel’s, or a userspace daemon where the kernel makes none', async (t) => {
    const kernel = (await run('ip', ['-n', namespace, 'link', 'add', 'dev', `fhk${id}p`, 'type', 'wireguard'])).code === 0
    if (kernel) await run('ip', ['-n', namespace, 'link', 'delete', `fhk${id}p`])
    t.diagnostic(`the kernel ${kernel ? 'makes' : 'makes no'} WireGuard interfaces`)
    await makeInterface(made, where)
    const device = await deviceOf(made, where)
    assert.ok(device instanceof (kernel ? KernelDevice : UapiDevice))
    assert.deepEqual((await device.read()).peers, [])
    if ('close' in device) device.close()
  })

  test('an interface that no daemon answers for is the kernel’s: asked through wg, which refuses what is no WireGuard', async () => {
    await runOrFail('make a link', 'ip', ['-n', namespace, 'link', 'add', veth, 'type', 'veth', 'peer', 'name', `${veth}x`])
    const device = await deviceOf(veth, where)
    assert.ok(device instanceof KernelDevice)
    await assert.rejects(device.read(), { code: 'interface-missing' })
    await assert.rejects(device.apply({ listenPort: 7, peers: [] }), { code: 'interface-refused' })
  })

  test('a name that something else has is refused aloud', async () => {
    await assert.rejects(makeInterface(`${veth}x`, where), { code: 'interface-refused' })
  })
})
