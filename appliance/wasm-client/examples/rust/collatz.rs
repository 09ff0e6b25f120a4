// The number below a limit with the longest Collatz chain. No standard library, so nothing is imported.
#![no_std]
#![no_main]

#[panic_handler]
fn stop(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

fn steps(mut n: u64) -> u32 {
    let mut count = 0;
    while n != 1 {
        n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        count += 1;
    }
    count
}

/// The smallest of those with the longest chain; 1 for limits below 2.
#[unsafe(no_mangle)]
pub extern "C" fn longest(limit: i64) -> i64 {
    let mut best = (0, 1);
    for n in 1..limit.max(2) as u64 {
        let count = steps(n);
        if count > best.0 {
            best = (count, n);
        }
    }
    best.1 as i64
}
