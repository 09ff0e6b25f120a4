import { domainNameOf } from '../names.ts'
import type { VmSpec } from '../port.ts'
import { metadataNamespace, metadataText, uuidOf, type Metadata } from './metadata.ts'
import { element, writeXml, type Element } from './xml.ts'

/** How the guest reaches the network: user networking of QEMU, or a tap that the root helper made. */
export type GuestNetwork =
  | { kind: 'slirp'; sshPort: number | null }
  | { kind: 'passt'; sshPort: number | null }
  | { kind: 'tap'; device: string }

export interface DomainFiles {
  disk: string
  seed: string
  consoleSocket: string
  agentSocket: string
}

function cpu(acceleration: 'kvm' | 'tcg'): Element {
  if (acceleration === 'kvm') return element('cpu', { mode: 'host-passthrough', check: 'none' })
  // QEMU 7.2's TCG corrupts flags around cmpxchg16b: guests panic without this (facts: libvirt.md §2)
  return element(
    'cpu',
    { mode: 'custom', match: 'exact' },
    element('model', { fallback: 'forbid' }, 'qemu64'),
    element('feature', { policy: 'disable', name: 'cx16' }),
  )
}

function networkDevice(network: GuestNetwork, mac: string): Element | undefined {
  switch (network.kind) {
    case 'slirp':
      return undefined
    case 'passt':
      return element(
        'interface',
        { type: 'user' },
        element('mac', { address: mac }),
        element('backend', { type: 'passt' }),
        ...(network.sshPort === null
          ? []
          : [
              element(
                'portForward',
                { proto: 'tcp', address: '127.0.0.1' },
                element('range', { start: network.sshPort, to: 22 }),
              ),
            ]),
        element('model', { type: 'virtio' }),
      )
    case 'tap':
      return element(
        'interface',
        { type: 'ethernet' },
        element('mac', { address: mac }),
        element('target', { dev: network.device, managed: 'no' }),
        element('model', { type: 'virtio' }),
      )
  }
}

/** libvirt 9 knows no forwards in user networking: QEMU's own arguments, at an address that clashes with nothing. */
function slirpArguments(network: GuestNetwork, mac: string): Element[] {
  if (network.kind !== 'slirp') return []
  const forward = network.sshPort === null ? '' : `,hostfwd=tcp:127.0.0.1:${network.sshPort}-:22`
  const args = ['-netdev', `user,id=fh0${forward}`, '-device', `virtio-net-pci,netdev=fh0,bus=pcie.0,addr=0x10,mac=${mac}`]
  return [element('qemu:commandline', {}, ...args.map((value) => element('qemu:arg', { value })))]
}

/**
 * The domain of a VM. Pure; golden files in golden/. Serial console as a socket and without a log, which a guest could fill;
 * guest agent, entropy, panic device with restart (V4), no graphics.
 */
export function domainXml(options: {
  spec: Pick<VmSpec, 'key' | 'vcpus' | 'memoryMiB' | 'mac'>
  metadata: Metadata
  acceleration: 'kvm' | 'tcg'
  network: GuestNetwork
  files: DomainFiles
}): string {
  const { spec, acceleration, network, files } = options
  const device = networkDevice(network, spec.mac)
  const features = [
    element('acpi'),
    element('apic'),
    ...(acceleration === 'tcg' ? [element('tcg', {}, element('tb-cache', { unit: 'MiB' }, '128'))] : []),
  ]
  return writeXml(
    element(
      'domain',
      { type: acceleration === 'kvm' ? 'kvm' : 'qemu', 'xmlns:qemu': 'http://libvirt.org/schemas/domain/qemu/1.0' },
      element('name', {}, domainNameOf(spec.key)),
      element('uuid', {}, uuidOf(spec.key)),
      element('metadata', {}, element('fh:vm', { 'xmlns:fh': metadataNamespace }, metadataText(options.metadata))),
      element('memory', { unit: 'MiB' }, String(spec.memoryMiB)),
      element('vcpu', {}, String(spec.vcpus)),
      element('os', {}, element('type', { arch: 'x86_64', machine: 'q35' }, 'hvm'), element('boot', { dev: 'hd' })),
      element('features', {}, ...features),
      cpu(acceleration),
      element('clock', { offset: 'utc' }),
      element('on_poweroff', {}, 'destroy'),
      element('on_reboot', {}, 'restart'),
      element('on_crash', {}, 'restart'),
      element(
        'devices',
        {},
        element(
          'disk',
          { type: 'file', device: 'disk' },
          element('driver', { name: 'qemu', type: 'qcow2', discard: 'unmap' }),
          element('source', { file: files.disk }),
          element('target', { dev: 'vda', bus: 'virtio' }),
        ),
        element(
          'disk',
          { type: 'file', device: 'cdrom' },
          element('driver', { name: 'qemu', type: 'raw' }),
          element('source', { file: files.seed }),
          element('target', { dev: 'sda', bus: 'sata' }),
          element('readonly'),
        ),
        ...(device === undefined ? [] : [device]),
        element(
          'serial',
          { type: 'unix' },
          element('source', { mode: 'bind', path: files.consoleSocket }),
          element('target', { port: 0 }),
        ),
        element(
          'channel',
          { type: 'unix' },
          element('source', { mode: 'bind', path: files.agentSocket }),
          element('target', { type: 'virtio', name: 'org.qemu.guest_agent.0' }),
        ),
        element('rng', { model: 'virtio' }, element('backend', { model: 'random' }, '/dev/urandom')),
        element('panic', { model: 'isa' }),
        element('memballoon', { model: 'virtio' }, element('stats', { period: 10 })),
        element('controller', { type: 'usb', model: 'none' }),
      ),
      ...slirpArguments(network, spec.mac),
    ),
  )
}
