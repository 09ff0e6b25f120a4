import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { run } from './run.ts'

// The daemon of an installed host under the filter that `RestrictSUIDSGID` of its unit is: systemd's own cannot be had without
// systemd as the first process, so the same rule is loaded by hand (x86-64: chmod 90, fchmod 91, fchmodat 268, fchmodat2 452).
const filtered = String.raw`
use strict;
my ($user, $group, @argv) = @ARGV;
sub code { my ($op, $k, $yes, $no) = @_; pack('SCCL', $op, $yes // 0, $no // 0, $k) }
my ($load, $equal, $bits, $answer, $allow, $deny) = (0x20, 0x15, 0x45, 0x06, 0x7fff0000, 0x00050001);
sub mode { (code($load, 16 + 8 * shift), code($bits, 06000, 0, 1), code($answer, $deny), code($answer, $allow)) }
my $rules = join '', code($load, 0), code($equal, 90, 4), code($equal, 91, 3), code($equal, 268, 6), code($equal, 452, 5),
  code($answer, $allow), mode(1), mode(2);
my $program = pack('Sx6P', length($rules) / 8, $rules);
syscall(157, 38, 1, 0, 0, 0) == 0 && syscall(157, 22, 2, $program, 0, 0) == 0 or die "no filter: $!";
$) = "$group $group"; $( = $group; ($<, $>) = ($user, $user); umask 0007;
exec @argv;
`
const [daemon, group] = [64_101, 64_102]

test('P9 the pool is made by a daemon that may set no set-group-ID bit, in the folder of the VM user', async (t) => {
  const unit = readFileSync(resolve(import.meta.dirname, '../../../units/freeholdd.service'), 'utf8')
  assert.match(unit, /^RestrictSUIDSGID=yes$/m)
  assert.match(unit, /^UMask=0007$/m)
  const folder = mkdtempSync('/tmp/fh-pool-')
  t.after(() => rmSync(folder, { recursive: true }))
  // as systemd and the package make it
  chownSync(folder, group, group)
  chmodSync(folder, 0o2770)
  const node = (script: string) =>
    run('perl', ['-e', filtered, String(daemon), String(group), process.execPath, '--input-type=module', '-e', script])
  const denied = await node(`import { chmodSync, mkdirSync } from 'node:fs'
    mkdirSync('${folder}/denied'); chmodSync('${folder}/denied', 0o2770)`)
  assert.match(denied.stderr, /EPERM/, 'the filter is there')
  const made = await node(`import { Pool } from '${join(import.meta.dirname, 'pool.ts')}'
    await new Pool('${folder}').initialise()`)
  assert.equal(made.code, 0, made.stderr)
  for (const name of ['templates', 'vms']) {
    const { mode, uid, gid } = statSync(join(folder, name))
    assert.deepEqual([mode & 0o7777, uid, gid], [0o2770, daemon, group])
  }
})
