//! Names that derive from one contract on one chain (PROTOCOL.md, "Names").
use crate::address::Address;
use sha3::{Digest, Keccak256};

/// First 12 hex digits of `keccak256(abi.encode(uint256 chainId, address contract))`.
pub fn installation_id(chain_id: u64, contract: &Address) -> String {
    let mut encoded = [0u8; 64];
    let (chain, address) = encoded.split_at_mut(32);
    for (to, from) in chain.iter_mut().rev().zip(chain_id.to_be_bytes().iter().rev()) {
        *to = *from;
    }
    for (to, from) in address.iter_mut().skip(12).zip(contract.0) {
        *to = from;
    }
    let mut id = hex::encode(Keccak256::digest(encoded));
    id.truncate(12);
    id
}

/// Which VM, in which generation: what the guest knows of itself from its seed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VmIdentity {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract that the pass lives in.
    pub contract: Address,
    /// Decimal, as large as a uint256.
    pub token_id: String,
    /// Starts at 1, rises with every reinstall.
    pub generation: u32,
}

impl VmIdentity {
    /// `<installation>-<tokenId>`, as people see it.
    pub fn vm_id(&self) -> String {
        format!("{}-{}", installation_id(self.chain_id, &self.contract), self.token_id)
    }

    /// `<installation>/<tokenId>/<generation>`: the mark without its `freehold:`, as it stands before a secret.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", installation_id(self.chain_id, &self.contract), self.token_id, self.generation)
    }

    /// The principal that a user certificate of this VM names.
    pub fn principal(&self) -> String {
        format!("vm:{}:{}:{}", installation_id(self.chain_id, &self.contract), self.token_id, self.generation)
    }
}
