//! CoreMark for a host without imports: the caller has the clock. The loop of the benchmark over the algorithms of the crate
//! `coremark`, with the seeds of the 2K performance run.
use coremark::list::core_list_init;
use coremark::matrix::core_init_matrix;
use coremark::state::core_init_state;
use coremark::types::{
    ALL_ALGORITHMS_MASK, CoreResults, LIST_KNOWN_CRC, MATRIX_KNOWN_CRC, NUM_ALGORITHMS, STATE_KNOWN_CRC,
    TOTAL_DATA_SIZE,
};
use coremark::util::crcu16;

/// Index of the 2K performance run among the known checksums.
const RUN: usize = 3;

/// 1 if all three algorithms gave the checksums that CoreMark knows, 0 if not.
#[unsafe(no_mangle)]
pub extern "C" fn main(iterations: i32) -> i32 {
    let size = TOTAL_DATA_SIZE / NUM_ALGORITHMS;
    let mut res = CoreResults { seed3: 0x66, size, execs: ALL_ALGORITHMS_MASK, ..Default::default() };
    res.list = Some(core_list_init(size, res.seed1));
    core_init_matrix(size, 0, &mut res.mat);
    res.state_mem = core_init_state(size, res.seed1);
    for turn in 0..iterations {
        let Some(mut list) = res.list.take() else { return 0 };
        for find in [1, -1] {
            let crc = list.bench(&mut res, find);
            res.crc = crcu16(crc, res.crc);
        }
        res.list = Some(list);
        if turn == 0 {
            res.crclist = res.crc;
        }
    }
    let known = (LIST_KNOWN_CRC[RUN], MATRIX_KNOWN_CRC[RUN], STATE_KNOWN_CRC[RUN]);
    i32::from((res.crclist, res.crcmatrix, res.crcstate) == known)
}
