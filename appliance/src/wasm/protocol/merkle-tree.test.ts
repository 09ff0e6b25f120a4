import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { includes, isConsistent, leafHash, MerkleTree } from './merkle-tree.ts'

const leaf = (n: number): Buffer => leafHash(Buffer.from(`leaf ${n}`))

function treeOf(size: number): MerkleTree {
  const tree = new MerkleTree()
  for (let n = 0; n < size; n += 1) tree.append(leaf(n))
  return tree
}

/** The definition of RFC 9162 §2.1.1, word for word and slow. */
function naiveRoot(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves
  if (only === undefined) return createHash('sha256').digest()
  if (leaves.length === 1) return only
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return createHash('sha256')
    .update(Buffer.from([1]))
    .update(naiveRoot(leaves.slice(0, split)))
    .update(naiveRoot(leaves.slice(split)))
    .digest()
}

const sizes = fc.integer({ min: 1, max: 300 })

suite('the log of receipts as a tree', () => {
  test('a leaf that is not there, another index, another size or a changed proof is not included', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (size, a, b) => {
        const tree = treeOf(size)
        const index = a % size
        const proof = tree.inclusionProof(index)
        const root = tree.root()
        assert.ok(!includes(leaf(size + 5), index, size, proof, root))
        for (const other of [index - 1, index + 1]) {
          if (other >= 0 && other < size) assert.ok(!includes(leaf(index), other, size, proof, root))
        }
        if (proof.length > 0) {
          const changed = proof.map((hash, i) => (i === b % proof.length ? leaf(999) : hash))
          assert.ok(!includes(leaf(index), index, size, changed, root))
          assert.ok(!includes(leaf(index), index, size, proof.slice(1), root))
        }
        assert.ok(!includes(leaf(index), index, size, [...proof, leaf(1)], root))
      }),
    )
  })

  test('a history that was rewritten is not consistent', () => {
    fc.assert(
      fc.property(sizes, sizes, (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const tree = treeOf(to)
        const proof = tree.consistencyProof(from)
        const rewritten = new MerkleTree()
        for (let n = 0; n < from; n += 1) rewritten.append(leaf(n === from - 1 ? 4711 : n))
        assert.ok(!isConsistent(from, to, rewritten.root(), tree.root(), proof))
        if (from < to) assert.ok(!isConsistent(from, to, tree.root(from), tree.root(from), proof))
      }),
    )
  })

  test('roots equal the definition; every leaf is included; every past is consistent', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (size, a, b) => {
        const tree = treeOf(size)
        assert.deepEqual(tree.root(), naiveRoot(Array.from({ length: size }, (_, n) => leaf(n))))
        const [index, part] = [a % size, 1 + (b % size)]
        assert.ok(includes(leaf(index), index, size, tree.inclusionProof(index), tree.root()))
        assert.deepEqual(tree.root(part), treeOf(part).root())
        assert.ok(isConsistent(part, size, tree.root(part), tree.root(), tree.consistencyProof(part)))
        if (index < part) assert.ok(includes(leaf(index), index, part, tree.inclusionProof(index, part), tree.root(part)))
      }),
    )
  })

  test('a tree that does not keep its leaves asks for few of them and proves the same', () => {
    const size = 1000
    const leaves = Array.from({ length: size }, (_, n) => leaf(n))
    let asked = 0
    const tree = new MerkleTree((start, count) => {
      asked += count
      return leaves.slice(start, start + count)
    })
    for (const one of leaves) tree.append(one)
    const keeping = treeOf(size)
    for (let part = 1; part <= size; part += 1) {
      asked = 0
      assert.deepEqual(tree.root(part), keeping.root(part))
      assert.deepEqual(tree.consistencyProof(part), keeping.consistencyProof(part))
      assert.deepEqual(tree.inclusionProof(part - 1), keeping.inclusionProof(part - 1))
      assert.ok(asked <= 4 * 31, `${asked} leaves`)
    }
  })

  test('the empty tree, and sizes and leaves that do not exist', () => {
    assert.equal(treeOf(0).root().toString('hex'), createHash('sha256').digest('hex'))
    assert.throws(() => treeOf(3).inclusionProof(3), RangeError)
    assert.throws(() => treeOf(3).root(4), RangeError)
    assert.throws(() => treeOf(3).consistencyProof(0), RangeError)
  })
})
