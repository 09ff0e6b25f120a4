import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { builtTemplate, rootEntries, rootFile, type BuiltTemplate, type RootEntry } from './built-template.ts'

// Golden: everything that starts by itself (the guest agent does when its channel is found). Units of the package pam-web3 are compared by their own prefix below.
const started = [
  'getty.target.wants/serial-getty@ttyS0.service',
  'multi-user.target.wants/freehold-coldplug.service',
  'multi-user.target.wants/freehold-user-data.service',
  'multi-user.target.wants/ssh.service',
  'multi-user.target.wants/systemd-networkd.service',
  'sockets.target.wants/systemd-networkd.socket',
  'sysinit.target.wants/systemd-resolved.service',
]

let template: BuiltTemplate
let entries: RootEntry[]
before(async () => {
  template = await builtTemplate()
  entries = await rootEntries(template.root)
})
const links = (under: RegExp) => entries.filter((e) => e.type === 'l' && under.test(e.path))

test('starts what is on the list and nothing else', () => {
  const enabled = links(/^etc\/systemd\/system\/[^/]+\.(wants|requires)\//)
    .map((e) => e.path.replace('etc/systemd/system/', ''))
    .filter((path) => !path.startsWith('cloud-init.target.wants/') && !/\/freehold-guest|\/pam-web3/.test(path))
  assert.deepEqual(enabled.toSorted(), started)
})

test('denies cloud-init a start of its own', () => {
  assert.deepEqual(
    links(/\.wants\/cloud-init\.target$/).map((e) => e.path),
    [],
  )
  assert.equal(entries.find((e) => e.path === 'etc/systemd/system-generators/cloud-init-generator')?.target, '/dev/null')
})

test('denies sockets of sshd and name services by multicast', async () => {
  for (const unit of ['ssh.socket', 'sshd-vsock.socket', 'sshd-unix-local.socket']) {
    assert.equal(entries.find((e) => e.path === `etc/systemd/system/${unit}`)?.target, '/dev/null', unit)
  }
  const resolved = await rootFile(template.root, 'etc/systemd/resolved.conf.d/freehold.conf')
  assert.match(resolved, /^LLMNR=no$/m)
  assert.match(resolved, /^MulticastDNS=no$/m)
  assert.match(resolved, /^DNSStubListener=no$/m)
})

test('denies a start of sshd that waits for anything but its host key', async () => {
  const unit = await rootFile(template.root, 'etc/systemd/system/ssh.service')
  const after = unit.match(/^After=.*$/gm)
  assert.deepEqual(after, ['After=freehold-host-key.service'])
  assert.match(unit, /^DefaultDependencies=no$/m)
})
