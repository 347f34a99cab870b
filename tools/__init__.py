"""What makes and measures: docs, help pictures, locales, API twins, benchmarks."""
