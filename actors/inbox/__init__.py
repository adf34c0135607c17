"""What somebody is told of: `inbox:USER`. Other domains speak to it by `Notify` and `Withdraw`."""
