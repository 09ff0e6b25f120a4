import { isIPv4, isIPv6 } from 'node:net'
import { parameterOf, propertyFormat, resolve, type Definition, type SchemaMethod } from './schema.ts'

/** What a request gives for its parameters: all texts, lists where a name was repeated. */
export type Given = Record<string, string | string[]>

/** Holds parameters against the schema. Returns the server's words per wrong parameter; empty if all is well. */
export function checkParams(method: SchemaMethod, given: Given): Record<string, string> {
  const errors: Record<string, string> = {}
  for (const [name, value] of Object.entries(given)) {
    const definition = parameterOf(method, name)
    if (definition === undefined) {
      errors[name] = 'property is not defined in schema and the schema does not allow additional properties'
      continue
    }
    const words = Array.isArray(value) ? undefined : checkValue(name, value, definition)
    if (words !== undefined) errors[name] = words
    if (definition.requires !== undefined && given[definition.requires] === undefined) {
      errors[definition.requires] = `missing property - '${name}' requires this property`
    }
  }
  for (const [name, raw] of Object.entries(method.parameters)) {
    const definition = resolve(raw)
    if (!isOptional(definition) && given[name] === undefined && !name.endsWith('[n]')) {
      errors[name] = 'property is missing and it is not optional'
    }
  }
  return errors
}

function isOptional(definition: Definition): boolean {
  return definition.optional !== undefined && Number(definition.optional) === 1
}

const booleans = /^(1|0|on|off|yes|no|true|false)$/i

function checkValue(name: string, value: string, definition: Definition): string | undefined {
  const { type, minimum, maximum } = definition
  if (type === 'integer' || type === 'number') {
    if (!(type === 'integer' ? /^[+-]?\d+$/ : /^[+-]?\d+(\.\d+)?$/).test(value))
      return `type check ('${type}') failed - got '${value}'`
    if (typeof definition.format === 'string') {
      const words = checkFormat(definition.format, value)
      if (words !== undefined) return `invalid format - ${words}\n`
    }
    if (minimum !== undefined && Number(value) < Number(minimum)) return `value must have a minimum value of ${minimum}`
    if (maximum !== undefined && Number(value) > Number(maximum)) return `value must have a maximum value of ${maximum}`
  }
  if (type === 'boolean' && !booleans.test(value)) return `type check ('boolean') failed - got '${value}'`
  if (definition.maxLength !== undefined && value.length > definition.maxLength) {
    return `value may only be ${definition.maxLength} characters long`
  }
  if (definition.minLength !== undefined && value.length < definition.minLength) {
    return `value must be at least ${definition.minLength} characters long`
  }
  if (definition.enum !== undefined && !definition.enum.includes(value)) {
    return `value '${value}' does not have a value in the enumeration '${definition.enum.join(', ')}'`
  }
  if (definition.pattern !== undefined && !matches(definition.pattern, value)) return 'value does not match the regex pattern'
  if (typeof definition.format === 'string') {
    const words = checkFormat(definition.format, value)
    return words === undefined ? undefined : `invalid format - ${words}\n`
  }
  const keys = propertyFormat(definition.format)
  const words = keys === undefined ? undefined : checkPropertyString(name, value, keys)
  return words === undefined ? undefined : `invalid format - format error\n${words}\n`
}

/** Perl's patterns, where JavaScript can read them; others pass. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(`^(?:${pattern.replace(/\(\?\^[a-z]*:/g, '(?:').replaceAll('[:print:]', '\\x20-\\x7e')})$`).test(value)
  } catch {
    return true
  }
}

function checkPropertyString(name: string, value: string, keys: Record<string, Definition>): string | undefined {
  const defaultKey = Object.entries(keys).find(([, definition]) => definition.default_key === 1)?.[0]
  const seen = new Set<string>()
  for (const part of value.split(',').filter((text) => text !== '')) {
    const [before = '', ...after] = part.split('=')
    const key = after.length === 0 ? defaultKey : before
    if (key === undefined) return 'value without key, but schema does not define a default key'
    const definition = keys[key]
    if (definition === undefined) {
      return `${name}.${key}: property is not defined in schema and the schema does not allow additional properties`
    }
    // `virtio=MAC` says two things: the model by its name, the address by its value
    const target = definition.alias !== undefined && keys[definition.alias] !== undefined ? definition.alias : key
    seen.add(key)
    if (definition.keyAlias !== undefined) seen.add(definition.keyAlias)
    seen.add(target)
    const words = checkValue(`${name}.${key}`, after.length === 0 ? before : after.join('='), { ...keys[target] })
    if (words !== undefined) return `${name}.${key}: ${words.trim()}`
  }
  for (const [key, definition] of Object.entries(keys)) {
    if (!isOptional(definition) && definition.alias === undefined && !seen.has(key)) {
      return `${name}.${key}: property is missing and it is not optional`
    }
  }
  return undefined
}

const dnsName = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/
const formats: Record<string, (value: string) => string | undefined> = {
  'pve-vmid': (v) => (/^[1-9][0-9]{2,8}$/.test(v) ? undefined : 'value does not look like a valid VM ID'),
  'dns-name': (v) => (dnsName.test(v) ? undefined : 'value does not look like a valid DNS name'),
  'pve-node': (v) =>
    /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/.test(v) ? undefined : 'value does not look like a valid node name',
  'pve-storage-id': (v) => (/^[a-z][a-z0-9._-]*[a-z0-9]$/i.test(v) ? undefined : `storage ID '${v}' contains illegal characters`),
  'pve-configid': (v) => (/^[a-z][a-z0-9_-]+$/i.test(v) ? undefined : `invalid configuration ID '${v}'`),
  'pve-poolid': (v) =>
    /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+){0,2}$/.test(v) ? undefined : `pool name '${v}' contains invalid characters`,
  'pve-roleid': (v) => (/^[A-Za-z0-9._-]+$/.test(v) ? undefined : `role name '${v}' contains invalid characters`),
  'pve-userid': (v) =>
    /^[^\s:/@]+@[a-zA-Z][a-zA-Z0-9._-]+$/.test(v) ? undefined : `value '${v}' does not look like a valid user name`,
  'pve-priv-list': (v) => {
    const bad = v.split(/[\s,;]+/).find((priv) => priv !== '' && !privileges.has(priv))
    return bad === undefined ? undefined : `invalid privilege '${bad}'`
  },
  'pve-tag-list': (v) =>
    v.split(/[;, ]+/).every((tag) => tag === '' || /^[a-z0-9_][a-z0-9_.+-]*$/i.test(tag))
      ? undefined
      : 'invalid characters in tag',
  urlencoded: (v) => (/^[a-zA-Z0-9%._~!*'()-]*$/.test(v) ? undefined : `invalid urlencoded string: ${v}`),
  ip: (v) => (isIPv4(v) || isIPv6(v) ? undefined : 'value does not look like a valid IP address'),
  ipv4: (v) => (isIPv4(v) ? undefined : 'value does not look like a valid IPv4 address'),
  ipv6: (v) => (isIPv6(v) ? undefined : 'value does not look like a valid IPv6 address'),
  'mac-addr': (v) =>
    /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(v) ? undefined : 'value does not look like a valid unicast MAC address',
}

function checkFormat(format: string, value: string): string | undefined {
  return formats[format]?.(value)
}

/** All privileges of 9.1. `VM.Monitor` is gone. */
export const privileges: ReadonlySet<string> = new Set(
  `Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit Group.Allocate Mapping.Audit
  Mapping.Modify Mapping.Use Permissions.Modify Pool.Allocate Pool.Audit Realm.Allocate Realm.AllocateUser SDN.Allocate SDN.Audit
  SDN.Use Sys.AccessNetwork Sys.Audit Sys.Console Sys.Incoming Sys.Modify Sys.PowerMgmt Sys.Syslog User.Modify VM.Allocate
  VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType VM.Config.Memory
  VM.Config.Network VM.Config.Options VM.Console VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt
  VM.GuestAgent.FileWrite VM.GuestAgent.Unrestricted VM.Migrate VM.PowerMgmt VM.Replicate VM.Snapshot VM.Snapshot.Rollback`.split(
    /\s+/,
  ),
)
