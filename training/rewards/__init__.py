"""What a picture is worth: parts with weights, and the models behind them."""
