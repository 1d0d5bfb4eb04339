// cargo run --release -p callboard-examples --example pool_numbers
//! Work for as many workers as there are processors: primes, factorials, square roots.

use std::error::Error;
use std::time::Instant;

use callboard::Node;
use callboard::pool::{Pool, PoolOptions};
use num_bigint::BigUint;

fn is_prime(n: u64) -> bool {
    n > 1 && (2..).take_while(|divisor| divisor * divisor <= n).all(|divisor| !n.is_multiple_of(divisor))
}

/// The product of the numbers from `first` to `last`, of halves that are about as long as each other.
fn product(first: u32, last: u32) -> BigUint {
    if last - first < 16 {
        return (first..=last).map(BigUint::from).product();
    }
    let middle = first.midpoint(last);
    product(first, middle) * product(middle + 1, last)
}

/// How many digits `n` has, which is not zero.
fn digits(n: &BigUint) -> u64 {
    // A number of that many bits has so many digits, or one more.
    let least = ((n.bits() - 1) as f64 * 2_f64.log10()) as u32;
    let digits = u64::from(least) + 1;
    if *n < BigUint::from(10_u32).pow(least + 1) { digits } else { digits + 1 }
}

fn digits_of_factorial(n: u32) -> u64 {
    digits(&product(1, n))
}

fn sum_of_roots(below: u32) -> f64 {
    (0..below).map(|n| f64::from(n).sqrt()).sum()
}

fn roots(pool: &Pool) -> Result<(), Box<dyn Error>> {
    let inputs = [2_000_000; 8];
    let begun = Instant::now();
    let in_turn = inputs.map(sum_of_roots);
    let in_turn_took = begun.elapsed();
    let begun = Instant::now();
    let parallel = pool.map(sum_of_roots, inputs)?;
    println!("roots in turn {in_turn_took:.1?}, on the pool {:.1?}", begun.elapsed());
    println!("the sums are equal: {}; each is {:.1}", parallel == in_turn, in_turn[0]);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let pool = node.pool(PoolOptions::new())?;
    println!("{} workers", pool.max_workers());

    let range = 10_000_000..=10_000_049;
    let primes = pool.map(is_prime, range)?.into_iter().filter(|is_prime| *is_prime).count();
    println!("primes from 10,000,000 to 10,000,049: {primes}");

    let begun = Instant::now();
    let factorials = [100_000, 200_000, 300_000];
    for (n, digits) in factorials.iter().zip(pool.each(digits_of_factorial, factorials).chunk(1).ordered()) {
        println!("{n}! has {} digits", digits?);
    }
    println!("that took {:.1?}", begun.elapsed());
    roots(&pool)
}
