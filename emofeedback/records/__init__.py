"""What travels through the house: frozen values, without models behind them."""
